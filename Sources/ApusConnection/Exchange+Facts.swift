package import ApusCore
import ApusSocket
package import HTTPTypes

// What is known of an exchange at an instant: its errors, and what its timers ask.

// MARK: Errors

extension Exchange {
    /// With the lock held: the error as of now, with phase and replay verdict from progress.
    func makeError(
        _ kind: TransportError.Kind, _ message: String, phase: TransportError.Phase? = nil,
        replay: TransportError.Replay? = nil
    ) -> TransportError {
        // A body of unknown length has left when its connection says so.
        let isUploading =
            request.body.length.map { progress.bytesSent < $0 } ?? (timings.sentAfter == nil)
        let natural: TransportError.Phase =
            progress.hasHead ? .body : isUploading ? .send : .head
        var error = TransportError(kind, phase: phase ?? natural, message: message)
        place.mark(&error)
        if kind == .producerFailed { error.producerError = producerError }
        error.bytesSent = progress.bytesSent
        error.bytesReceived = progress.bytesReceived
        error.isReused = progress.isReused
        error.replay =
            progress.hasResponse
            ? .responseStarted : replay ?? (progress.hasStarted ? .unknown : .notSent)
        return error
    }

    /// The error as of now.
    package func error(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) -> TransportError {
        lock.withLock { makeError(kind, message, phase: phase) }
    }

    /// The reader wants no more than it has: the exchange ends.
    ///
    /// - Returns: the error to throw.
    package func refuseRest(_ message: String) -> TransportError {
        let error = error(.tooLarge, .body, message)
        abandon()
        return error
    }

    /// The body's producer has thrown: an error of this kind carries its error.
    func producerFailed(_ error: any Error) {
        lock.withLock { producerError = error }
    }
}

// MARK: Another try

extension Exchange {
    /// Whether the peer refused the expectation alone, and the request can go out without it.
    package func mayDropExpectation(after head: HTTPResponse) -> Bool {
        head.status.code == 417 && request.expectsContinue && !amendments.omitsExpectation
            && mayRepeat
    }

    /// The peer's system acknowledges nothing any more.
    func connectionLost() {
        lock.withLock { progress.isConnectionLost = true }
    }

    package var isConnectionLost: Bool { lock.withLock { progress.isConnectionLost } }

    /// Whether the body can go out once more: it can be made again, or was not begun.
    package var mayRepeat: Bool {
        request.body.isReplayable || lock.withLock { !progress.hasBodyStarted }
    }
}

// MARK: What the timers ask

extension Exchange {
    var isAwaitingHead: Bool { lock.withLock { outcome == nil && !progress.hasHead } }
    /// Bytes of the request's body given to the connection.
    package var bytesSentSoFar: UInt64 { lock.withLock { progress.bytesSent } }
    var bytesReceivedSoFar: UInt64 { lock.withLock { progress.bytesReceived } }

    /// The verdict on the silence; `nil` once it is not watched any more.
    func silence(now: Deadline) -> SilenceWatch.Verdict? {
        lock.withLock {
            guard outcome == nil else { return nil }
            // Else the head is awaited, or a slow consumer.
            let isReading = progress.hasHead && !isPaused && chunks.isEmpty
            return silence?.deadlineReached(now: now, isReading: isReading)
        }
    }

    /// How many body bytes are still owed of what the request declared; negative when there were
    /// more, `nil` when it declared nothing.
    var bytesOwed: Int64? {
        guard let length = request.body.length else { return nil }
        return lock.withLock { Int64(clamping: length) - Int64(clamping: progress.bytesSent) }
    }

    /// Whether everything of the body has been received and taken.
    package var isComplete: Bool {
        lock.withLock {
            guard case .ended = outcome else { return false }
            return chunks.isEmpty
        }
    }
}
