import Synchronization

/// A body whose pieces a stage makes of another body's, within the reads of the new body.
///
/// Unchecked, because the stage and its phase are touched only by the holder of the turn: a read,
/// or the call of `cancel` when there is no read. `endTrailers` is written before `Flags.ended` is
/// set, and read only after that.
final class TransformedBody: @unchecked Sendable {
    /// What other threads see of the body.
    private enum Flags {
        /// A read, or a cancellation, has the turn.
        static let taken: UInt8 = 1
        /// The body was cancelled.
        static let cancelled: UInt8 = 2
        /// The body has ended correctly, and its trailers are there.
        static let ended: UInt8 = 4
    }

    /// How the body ends, once the output that is left has been read.
    private enum Ending {
        case end
        case failure(TransportError)
    }

    /// The progress of the body.
    private enum Phase {
        /// The received body is read.
        ///
        /// Exits: `.draining`, `.failed`.
        case reading
        /// The received body is over, or its rest is not wanted; output may be left.
        ///
        /// Exits: `.ended`, `.failed`.
        case draining(Ending)
        /// Exits: none.
        case ended
        /// Every further read throws the error.
        ///
        /// Exits: none.
        case failed(TransportError)
    }

    private let inner: ResponseBody
    private let flags = Atomic<UInt8>(0)
    // Of the holder of the turn.
    private var phase = Phase.reading
    /// `nil` once the body is over.
    private var stage: (any BodyTransform & ~Copyable)?
    private var endTrailers: HTTPFields?

    // Generic: an optimizer that specializes a function for the type of an existential parameter
    // copies the parameter, and copying a stage that is not copyable traps (Swift 6.3, -O).
    init(_ inner: ResponseBody, by stage: consuming some BodyTransform & ~Copyable) {
        self.inner = inner
        self.stage = consume stage
    }

    deinit {
        if case .reading = phase { stage?.bodyAbandoned() }
    }

    /// The next piece; `nil` when the body has ended correctly.
    func next() async throws(TransportError) -> Bytes? {
        try takeTurn()
        defer { endTurn() }
        while true {
            switch try atHand() {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .nothing: break
            }
            do throws(TransportError) {
                received(try await inner.makeAsyncIterator().next())
            } catch {
                receivingFailed(error)
            }
        }
    }

    /// The next piece if the received body brings it before the deadline.
    func next(
        until deadline: ContinuousClock.Instant
    ) async throws(TransportError) -> ResponseBody.Arrival {
        try takeTurn()
        defer { endTurn() }
        while true {
            let arrival = try atHand()
            guard case .nothing = arrival else { return arrival }
            do throws(TransportError) {
                switch try await inner.makeAsyncIterator().next(until: deadline) {
                case .bytes(let piece): received(piece)
                case .end: received(nil)
                case .nothing: return .nothing
                }
            } catch {
                receivingFailed(error)
            }
        }
    }

    /// The trailers; `nil` before the end.
    var trailers: HTTPFields? {
        flags.load(ordering: .acquiring) & Flags.ended == 0 ? nil : endTrailers
    }

    /// Ends the exchange; every read that has not ended throws `cancelled`.
    func cancel() {
        let before = flags.bitwiseOr(Flags.cancelled, ordering: .acquiringAndReleasing).oldValue
        inner.cancel()
        // A read that has the turn sees the flag when it gives the turn back.
        if before & Flags.taken == 0 { abandonBetweenReads() }
    }

    /// Adds the facts of the exchange to an error that a stage above has made.
    func addFacts(to error: inout TransportError) {
        inner.addFacts(to: &error)
    }

    // MARK: The turn

    private func takeTurn() throws(TransportError) {
        let before = flags.bitwiseOr(Flags.taken, ordering: .acquiring).oldValue
        guard before & Flags.taken != 0 else { return }
        // The turn may be that of a cancellation, which ends soon.
        if before & (Flags.cancelled | Flags.ended) == Flags.cancelled { throw Self.cancelled() }
        throw TransportError(
            InvalidRequest(field: "body", reason: "is read by two tasks at once"), phase: .body)
    }

    private func endTurn() {
        let before = flags.bitwiseAnd(~Flags.taken, ordering: .acquiringAndReleasing).oldValue
        if before & Flags.cancelled != 0 { abandonBetweenReads() }
    }

    /// Does what a cancellation asks for, unless a read has the turn, which then does it.
    private func abandonBetweenReads() {
        let before = flags.bitwiseOr(Flags.taken, ordering: .acquiring).oldValue
        guard before & Flags.taken == 0 else { return }
        abandon(with: Self.cancelled())
        flags.bitwiseAnd(~Flags.taken, ordering: .releasing)
    }

    // MARK: With the turn

    /// Output that is there, or the end; `.nothing` when the received body is to be read.
    private func atHand() throws(TransportError) -> ResponseBody.Arrival {
        if flags.load(ordering: .relaxed) & Flags.cancelled != 0 { abandon(with: Self.cancelled()) }
        switch phase {
        case .ended: return .end
        case .failed(let error): throw error
        case .reading, .draining: break
        }
        do throws(TransportError) {
            while let output = try stage?.nextOutput() {
                if !output.isEmpty { return .bytes(output) }
            }
        } catch {
            // The first error is the one that the reader gets.
            if case .reading = phase { stageFailed(error) }
            if case .draining(.end) = phase { stageFailed(error) }
        }
        guard case .draining(let ending) = phase else { return .nothing }
        switch ending {
        case .end:
            endTrailers = stage?.trailers(inner.trailers)
            stage = nil
            phase = .ended
            flags.bitwiseOr(Flags.ended, ordering: .releasing)
            return .end
        case .failure(let error):
            stage = nil
            phase = .failed(error)
            throw error
        }
    }

    /// Gives the stage the next piece of the received body, or its end.
    private func received(_ piece: Bytes?) {
        do throws(TransportError) {
            if let piece {
                try stage?.bytesReceived(piece)
            } else {
                try stage?.bodyEnded()
                phase = .draining(.end)
            }
        } catch {
            stageFailed(error)
        }
    }

    /// The stage wants no more of the received body.
    private func stageFailed(_ error: TransportError) {
        var error = error
        inner.addFacts(to: &error)
        error.replay = .responseStarted
        phase = .draining(.failure(error))
        inner.cancel()
    }

    private func receivingFailed(_ error: TransportError) {
        if error.isCancelled { return abandon(with: error) }
        stage?.bodyFailed(error)
        phase = .draining(.failure(error))
    }

    /// The reader wants no more, unless the body is over.
    private func abandon(with error: TransportError) {
        switch phase {
        case .reading:
            stage?.bodyAbandoned()
            phase = .failed(error)
        case .draining(.end): phase = .failed(error)
        case .draining(.failure(let first)): phase = .failed(first)
        case .ended, .failed: break
        }
        stage = nil
    }

    private static func cancelled() -> TransportError {
        TransportError(
            .cancelled, phase: .body, message: "the response was cancelled",
            replay: .responseStarted)
    }
}
