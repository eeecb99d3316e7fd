package import ApusCore
package import HTTPTypes

/// What of a response is on its way from a connection to the task that waits: head, pieces, end.
///
/// It bounds what waits for a slow task, says when the connection stops and goes on reading, and
/// lets one task read at a time. Without clock or lock: `Exchange` has both.
package struct ExchangeMailbox {
    /// How an exchange ended.
    package enum Outcome: Sendable {
        case ended(trailers: HTTPFields?)
        case failed(TransportError)
    }

    /// What the task took out.
    package enum Taken: Sendable {
        case head(HTTPResponse)
        /// A piece of the body; the connection hears of so many bytes, unless that is 0.
        case chunk(Bytes, credit: Int)
        case end
        case failed(TransportError)
        case nothing
        /// Nothing, and the read's deadline is over.
        case late
        /// Nothing, because another task reads.
        case secondReader
    }

    /// Bytes from which on the connection stops reading.
    private let maxBytes: Int
    /// Bytes taken from which on a connection hears of them although it reads.
    private let creditStep: Int
    private var head: HTTPResponse?
    private var chunks = ChunkQueue()
    /// Bytes taken that were not reported to the connection yet.
    private var uncredited = 0
    private var isPaused = false
    private var reader = BodyReader()
    /// When and how the body comes.
    package private(set) var delivery: DeliveryFigures
    /// How the exchange ended; `nil` while it goes on.
    package private(set) var outcome: Outcome?
    /// The informational responses so far, in order of arrival.
    package private(set) var informational: [HTTPResponse] = []

    /// - Parameters:
    ///   - maxBytes: how many bytes may wait before the connection stops reading.
    ///   - creditStep: how many bytes are taken before a connection that reads hears of them.
    ///   - start: when the exchange had its connection.
    package init(maxBytes: Int, creditStep: Int, start: Deadline) {
        self.maxBytes = maxBytes
        self.creditStep = creditStep
        delivery = DeliveryFigures(start: start)
    }

    package var isOver: Bool { outcome != nil }

    // MARK: The connection's side

    package mutating func informationalReceived(_ response: HTTPResponse) {
        informational.append(response)
    }

    package mutating func headReceived(_ response: HTTPResponse) {
        head = response
    }

    /// Puts in a piece of the body.
    ///
    /// - Parameter now: the time for the figures; `nil` is no figures.
    /// - Returns: whether to go on reading; when not, a credit says when.
    package mutating func bodyReceived(_ bytes: Bytes, now: Deadline?) -> Bool {
        if let now { delivery.received(bytes.count, isAwaited: chunks.isEmpty, now: now) }
        chunks.append(bytes)
        if chunks.byteCount >= maxBytes { isPaused = true }
        return !isPaused
    }

    /// Ends the exchange; what was received before stays to be taken first.
    ///
    /// - Returns: `false` when it has ended before.
    package mutating func end(_ outcome: Outcome) -> Bool {
        guard self.outcome == nil else { return false }
        self.outcome = outcome
        return true
    }

    /// Drops the pieces that no task wants.
    package mutating func discardBody() {
        chunks.removeAll()
    }

    /// Drops the pieces that were received and not taken, if any: then the error replaces an end.
    ///
    /// What has been read to its end, or has failed, stays as it is.
    package mutating func refuseRest(with error: @autoclosure () -> TransportError) {
        guard !chunks.isEmpty else { return }
        chunks.removeAll()
        if case .ended = outcome { outcome = .failed(error()) }
    }

    /// Since when the next byte of a body that has begun is awaited; `nil` while it is not.
    package var bodyAwaitedSince: Deadline? {
        // Not while a slow consumer is awaited.
        outcome == nil && !isPaused && chunks.isEmpty ? delivery.lastSign : nil
    }

    // MARK: The task's side

    /// Whether a task that waits finds something now, or has waited long enough.
    @inline(__always)
    package func isReady(now: @autoclosure () -> Deadline) -> Bool {
        outcome != nil || head != nil || !chunks.isEmpty || reader.isLate(now())
    }

    package mutating func takeHead() -> Taken {
        if let head {
            self.head = nil
            return .head(head)
        }
        if case .failed(let error) = outcome { return .failed(error) }
        return .nothing
    }

    /// Takes the next piece.
    ///
    /// - Parameters:
    ///   - hasWaited: whether the task is the one that has waited for it.
    ///   - deadline: when the read ends without one; `nil` is never.
    ///   - instant: the time for the figures, which may be a coarse one; `nil` is no figures.
    package mutating func takeChunk(
        hasWaited: Bool, until deadline: Deadline? = nil, now: @autoclosure () -> Deadline,
        instant: @autoclosure () -> Deadline?
    ) -> Taken {
        guard hasWaited || !reader.isWaiting else { return .secondReader }
        let taken = takeChunk(instant: instant())
        guard case .nothing = taken else {
            reader.tookSomething()
            return taken
        }
        return reader.mayWait(until: deadline, now: now()) ? .nothing : .late
    }

    private mutating func takeChunk(instant: @autoclosure () -> Deadline?) -> Taken {
        if let chunk = chunks.popFirst() {
            if chunks.isEmpty, let instant = instant() { delivery.awaited(now: instant) }
            uncredited += chunk.count
            let mayGoOn = isPaused && (chunks.isEmpty || uncredited >= maxBytes / 4)
            guard outcome == nil, mayGoOn || uncredited >= creditStep else {
                return .chunk(chunk, credit: 0)
            }
            defer {
                uncredited = 0
                isPaused = false
            }
            return .chunk(chunk, credit: uncredited)
        }
        switch outcome {
        case .ended: return .end
        case .failed(let error): return .failed(error)
        case nil: return .nothing
        }
    }

    /// The trailers, once the body has been taken to its end.
    package var trailers: HTTPFields? {
        guard case .ended(let trailers) = outcome, chunks.isEmpty else { return nil }
        return trailers
    }

    // MARK: Reads with a deadline

    /// The instant to set the timer of reads for; `nil` when it is set for an earlier one.
    package mutating func nextReadTimer() -> Deadline? { reader.nextTimer() }

    /// The timer of reads has run out.
    ///
    /// - Returns: when to look again, and whether the task has waited long enough.
    package mutating func readTimerFired(now: Deadline) -> (next: Deadline?, isLate: Bool) {
        let next = reader.timerFired(now: now)
        return (next, next == nil && reader.isLate(now))
    }
}
