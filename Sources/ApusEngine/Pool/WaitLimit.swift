import ApusConnection
import ApusCore
import ApusPool
import ApusSocket

/// When a wait for a connection is over, and which of its limits says so.
struct WaitLimit {
    let deadline: Deadline
    let phase: TransportError.Phase
    private let request: OutgoingRequest

    /// The earliest of a phase's own limit and the request's; `nil` when there is none.
    init?(
        _ timeout: Duration?, as phase: TransportError.Phase, _ now: Deadline,
        _ request: OutgoingRequest, _ started: Deadline
    ) {
        let limits: [(Deadline?, TransportError.Phase)] = [
            (timeout.map { now.advanced(by: $0) }, phase),
            (request.headTimeout.map { started.advanced(by: $0) }, .head),
            (request.totalTimeout.map { started.advanced(by: $0) }, .total),
        ]
        var earliest: (Deadline, TransportError.Phase)?
        for case (let deadline?, let phase) in limits {
            if let found = earliest, found.0 <= deadline { continue }
            earliest = (deadline, phase)
        }
        guard let earliest else { return nil }
        deadline = earliest.0
        self.phase = earliest.1
        self.request = request
    }

    /// What a request fails with that waits for longer, which names the limit.
    ///
    /// - Parameter message: what was waited for in vain.
    func reached(_ message: String) -> TransportError {
        request.timeout(in: phase, "\(message): \(request.lateness(in: phase))")
    }
}

extension WaitClock {
    /// The clock of a request that begins to wait at `now`.
    init(_ now: Deadline, _ request: OutgoingRequest, _ started: Deadline) {
        let whole = WaitLimit(nil, as: .pool, now, request, started)
        self.init(
            started: now, acquireTimeout: request.acquireTimeout,
            connectTimeout: request.connectTimeout,
            whole: whole.map { ($0.deadline, $0.phase) })
    }
}
