import ApusCore

/// How far an exchange has come: what an error reports.
struct ExchangeProgress: Sendable {
    var bytesSent: UInt64 = 0
    var bytesReceived: UInt64 = 0
    var isReused = false
    /// Whether any byte of the request may have left.
    var hasStarted = false
    /// Whether the body has begun to go out, or its producer to run.
    var hasBodyStarted = false
    /// Whether any byte of a response has come.
    var hasResponse = false
    /// Whether the final head has come.
    var hasHead = false
    /// Whether the connection ended because the peer's system acknowledged nothing any more.
    var isConnectionLost = false
    /// Whether the connection has ended under it, without a word on which requests were not
    /// acted on.
    var hasConnectionEnded = false
    /// Whether the peer answered HTTP/2 with HTTP/1, so that it acted on nothing.
    var peerSpeaksHTTP1 = false

    /// The error as of now, with phase and replay verdict from what has happened.
    ///
    /// - Parameters:
    ///   - phase: `nil` is that of the progress.
    ///   - replay: the connection's own proof, if it has one.
    func error(
        _ kind: TransportError.Kind, _ message: String, phase: TransportError.Phase?,
        replay: TransportError.Replay?, isUploading: Bool
    ) -> TransportError {
        let natural: TransportError.Phase = hasHead ? .body : isUploading ? .send : .head
        var error = TransportError(kind, phase: phase ?? natural, message: message)
        mark(&error)
        error.replay =
            hasResponse ? .responseStarted : replay ?? (hasStarted ? .unknown : .notSent)
        if peerSpeaksHTTP1 { error.peerSpeaksHTTP1 = true }
        return error
    }

    /// Sets the counts in an error.
    func mark(_ error: inout TransportError) {
        error.bytesSent = bytesSent
        error.bytesReceived = bytesReceived
        error.isReused = isReused
    }
}
