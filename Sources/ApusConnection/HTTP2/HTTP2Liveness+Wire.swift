import ApusHTTP2
import ApusWire

// What the liveness of an HTTP/2 connection reads from its wire.

extension Wire {
    /// Bytes that were sent and that the peer's system has not taken.
    var undeliveredCount: Int { unsentCount + unacknowledgedCount }
}

extension HTTP2Liveness.Output {
    /// What has become of a wire's bytes.
    ///
    /// - Parameter hasPing: whether a PING is unanswered.
    init(of wire: Wire, hasPing: Bool) {
        let underWay = UInt64(wire.unacknowledgedCount)
        self.init(
            taken: wire.sentCount - min(wire.sentCount, underWay),
            isPending: underWay > 0 || wire.unsentCount > 0, hasPing: hasPing)
    }
}
