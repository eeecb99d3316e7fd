import ApusCore
import ApusHTTP2
import ApusSocket

/// How an HTTP/2 connection ends, and what that makes of the errors of its streams.
struct HTTP2EndStory {
    /// What the peer's GOAWAY said.
    struct GoAway {
        let last: HTTP2StreamID
        let code: UInt32
        let debug: String
        let received = Deadline.now()

        /// The error of a stream that it ended; the code may be a better-known one than its own.
        fileprivate func kind(code: UInt32? = nil) -> TransportError.Kind {
            .h2GoAway(code: code ?? self.code, lastStreamID: last, debug: debug)
        }
    }

    /// The last GOAWAY of the peer.
    var goAway: GoAway?
    /// The fault that the connection ends with; the first one counts.
    private var fault: (kind: TransportError.Kind, message: String)?
    /// Whether the connection has ended.
    private(set) var isOver = false
    /// Whether the peer's system acknowledges nothing any more.
    private(set) var isLost = false
    /// How the connection ended for those of its exchanges that are not over; `nil` before that.
    private var connectionEnd: ConnectionEnd?

    /// Whether the peer's first bytes were HTTP/1's.
    private var peerSpeaksHTTP1 = false

    /// The connection is about to end with this fault.
    mutating func endsWith(_ kind: TransportError.Kind, _ message: String) {
        if fault == nil { fault = (kind, message) }
    }

    /// The session ends the connection with this fault of the peer's.
    mutating func endsWith(_ error: HTTP2Error) {
        endsWith(TransportError.Kind(error), error.message)
        peerSpeaksHTTP1 = error.isHTTP1
    }

    /// The connection has ended; the fault is this one, unless one was noted before.
    mutating func hasEnded(
        _ reason: CloseReason, _ kind: TransportError.Kind, _ message: String,
        _ connectionEnd: ConnectionEnd?
    ) {
        endsWith(kind, message)
        isOver = true
        isLost = kind == .timeout && reason == .transportError
        self.connectionEnd = connectionEnd
    }

    /// Fails an exchange with the GOAWAY or the fault that its connection ends with.
    ///
    /// - Parameter present: how an exchange ends on the connection while that goes on.
    func fail(
        _ exchange: Exchange, _ failure: StreamFailure, _ present: @autoclosure () -> ConnectionEnd?
    ) {
        let (kind, message) = explain(failure)
        // A stream's own end is a word, also where its connection has ended since.
        if isOver, goAway == nil, [.connectionLost, .notSent].contains(failure) {
            exchange.connectionEnded()
        }
        if isLost { exchange.connectionLost() }
        if peerSpeaksHTTP1 { exchange.peerSpokeHTTP1() }
        exchange.failed(
            kind, phase: isLost && exchange.isAwaitingHead ? .send : nil, message,
            replay: peerSpeaksHTTP1 ? .refusedByPeer : failure.replay(responseStarted: false),
            end(by: failure, connectionEnd ?? present()))
    }

    /// How an exchange ended by a failure: some are words of the peer's about one stream.
    private func end(by failure: StreamFailure, _ connectionEnd: ConnectionEnd?) -> ConnectionEnd? {
        guard var end = connectionEnd else { return nil }
        if let sign = ConnectionEnd.Sign(failure) {
            end.sign = sign
        } else if failure == .notSent, goAway != nil {
            end.sign = .goAway
        }
        return end
    }

    /// What a failure is called, given how the connection ends.
    func explain(_ failure: StreamFailure) -> (kind: TransportError.Kind, message: String) {
        var kind = TransportError.Kind(failure)
        var message = failure.explained
        switch failure {
        case .connectionLost:
            if let fault { (kind, message) = fault }
            if let goAway, goAway.code != 0 { kind = goAway.kind() }
        case .notSent:
            if let goAway { kind = goAway.kind() }
        case .aboveLastStreamID(let code):
            if let goAway { kind = goAway.kind(code: code) }
        default: break
        }
        return (kind, message)
    }
}
