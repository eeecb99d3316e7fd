import ApusCore
import ApusSocket
import ApusWire

/// Why an HTTP/1.1 connection ends.
struct HTTP1Ending {
    let reason: CloseReason
    let kind: TransportError.Kind
    let message: String

    /// Whether the peer or the network has ended it.
    var isRemote: Bool { reason == .peerClosed || reason == .transportError }
    /// What ended it, where the wire does not show that.
    var sign: ConnectionEnd.Sign? { reason == .localAddressLost ? .localAddressLost : nil }
    /// Whether it is the system's own time-out: the peer's system has not acknowledged what was
    /// sent.
    var isLost: Bool { kind == .timeout && reason == .transportError }
}

/// The end of an HTTP/1.1 connection that waits until TCP shows whether the request had arrived.
///
/// Confined to the connection's loop.
struct HTTP1EndWatch {
    /// Between two looks: the system reports a reset, and no acknowledgement.
    private static let interval = Duration.milliseconds(50)

    /// What the connection ends with once that is known; `nil` while nothing waits.
    private(set) var ending: HTTP1Ending?
    private var deadline = Deadline(nanoseconds: 0)
    private var alarm = LoopAlarm()

    /// What TCP shows now; `undecided` when `look` is called once more.
    mutating func verdict(
        on ending: HTTP1Ending, _ arrival: RequestArrival, loop: EventLoop,
        look: @escaping () -> Void
    ) -> RequestArrival.Verdict {
        let verdict = arrival.verdict
        guard verdict == .undecided else { return verdict }
        let now = Deadline.now()
        if self.ending == nil {
            self.ending = ending
            deadline = now.advanced(by: arrival.patience)
        }
        guard now < deadline else { return .unknown }
        alarm.set(at: min(deadline, now.advanced(by: Self.interval)), on: loop, look)
        return .undecided
    }

    mutating func cancel(on loop: EventLoop) {
        alarm.cancel(on: loop)
        ending = nil
    }
}
