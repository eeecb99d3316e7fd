import ApusSocket

/// What TCP shows of the bytes of a request on a connection that the peer has ended.
///
/// A request has not been received if all of this holds:
/// 1. The peer that speaks HTTP had ended its side (FIN; under TLS its close_notify before that).
/// 2. No byte written since the request began is acknowledged. Each segment of TCP acknowledges all
///    that its sender has received in order (RFC 9293, section 3.10), so that the FIN left before
///    a byte of the request arrived.
/// 3. A reset came after the FIN. That is how a system answers bytes for a socket that its program
///    has closed; they never reach a program.
///
/// Without the third, a peer that has ended only its own direction may read the request later. What
/// remains: such a peer, which cannot answer any more, would have to act on the request and then
/// reset the connection before its system acknowledged a byte.
///
/// The nearest system decides, whatever follows it: what it did not take it passed to none. But a
/// relay (SOCKS, CONNECT) may end one direction while it goes on with the other, so its FIN does
/// not count, and the origin's close_notify inside the tunnel does.
package struct RequestArrival: Sendable, Hashable {
    /// A reset of the connection, as the system reports it.
    package enum Reset: Sendable, Hashable {
        /// There was none yet.
        case none
        /// After the peer's FIN (EPIPE).
        case afterEnd
        /// Without a FIN before it, or another failure, such as a time-out of TCP.
        case other
    }

    /// What follows for the request.
    package enum Verdict: Sendable, Hashable {
        /// No byte of it reached a program.
        case notReceived
        /// It may have been received.
        case unknown
        /// A reset or an acknowledgement may still show it.
        case undecided
    }

    /// How long a reset or an acknowledgement is awaited at most.
    private static let maxPatience = Duration.seconds(2)

    /// Bytes that the socket has taken since the request began: TLS's own among them, which come
    /// in the same order as the request's.
    package var written: UInt64
    /// How many of them the peer's system has acknowledged.
    package var acknowledged: UInt64
    /// Whether the peer that speaks HTTP has ended its side.
    package var hasSpeakerEnded: Bool
    package var reset: Reset
    /// How long TCP waits before it sends again; `nil` when unknown.
    package var retransmissionTimeout: Duration?

    package init(
        written: UInt64, acknowledged: UInt64, hasSpeakerEnded: Bool, reset: Reset,
        retransmissionTimeout: Duration?
    ) {
        self.written = written
        self.acknowledged = acknowledged
        self.hasSpeakerEnded = hasSpeakerEnded
        self.reset = reset
        self.retransmissionTimeout = retransmissionTimeout
    }

    /// What follows for the request.
    package var verdict: Verdict {
        guard written > 0, acknowledged == 0, hasSpeakerEnded else { return .unknown }
        switch reset {
        case .afterEnd: return .notReceived
        case .none: return .undecided
        case .other: return .unknown
        }
    }

    /// How long it may take until TCP shows more: one loss of the request is made up for.
    package var patience: Duration {
        min((retransmissionTimeout ?? Self.maxPatience) * 2, Self.maxPatience)
    }
}

extension RequestArrival {
    init(written: UInt64, on socket: StreamSocket, hasSpeakerEnded: Bool, reset: Reset) {
        // Those that are not acknowledged are the last that were written.
        let unacknowledged = UInt64(socket.unacknowledgedCount)
        self.init(
            written: written, acknowledged: written - min(written, unacknowledged),
            hasSpeakerEnded: hasSpeakerEnded, reset: reset,
            retransmissionTimeout: socket.retransmissionTimeout)
    }
}

/// The reset of a socket, which the system reports once: only the first error says what happened.
struct MetReset {
    private var met: RequestArrival.Reset?

    /// Looks at what reading and sending ended with, and asks the socket if they show nothing.
    mutating func look(
        at socket: StreamSocket, read: WireEnding?, sent: WireError?
    ) -> RequestArrival.Reset {
        if let met { return met }
        let found = MetReset.reset(read: read, sent: sent) { socket.takeError() }
        if found != .none { met = found }
        return found
    }

    static func reset(
        read: WireEnding?, sent: WireError?, takeError: () -> SystemError?
    ) -> RequestArrival.Reset {
        // After a FIN reading gives an end, so an error of reading shows that there was none.
        if case .failed(.system) = read { return .other }
        let error: SystemError? = if case .system(let error) = sent { error } else { takeError() }
        guard let error else { return .none }
        return error.isResetAfterEnd ? .afterEnd : .other
    }
}
