package import ApusCore

/// The pause between dials of a route that fail: it grows with each, and is never the first dial's.
extension PoolMachine {
    /// Routes that are remembered for their pause alone, at most; beyond them a failure is
    /// forgotten with its route.
    static let maxHeldRoutes = 1024

    /// The connection's peer asks for calm (ENHANCE_YOUR_CALM): the route's next dial waits as
    /// after one that failed, and longer each time that a new connection is told so too.
    package mutating func calmDemanded(_ connection: ConnectionID, now: Deadline) {
        if let slot = find(connection) { holdBack(slot, now.nanoseconds) }
    }

    /// A dial of the slot's route has failed: the next one waits a while.
    ///
    /// Dials side by side fail side by side, and are one failure.
    mutating func holdBack(_ slot: Int, _ now: Int64) {
        let (route, began) = (slots[slot].route, slots[slot].since)
        guard let first = limits.backoff, !isShutDown else { return }
        guard routes[route].failures == 0 || began > routes[route].failedAt else { return }
        let isHeld = routes[route].heldUntil != nil
        guard isHeld || backoffs.count < PoolMachine.maxHeldRoutes else { return }
        let failures = max(routes[route].failures, slots[slot].failuresBefore)
        routes[route].failures = min(failures + 1, 32)
        routes[route].failedAt = now
        let doublings = Int64(routes[route].failures - 1)
        let (grown, overflow) = first.multipliedReportingOverflow(by: 1 << doublings)
        let pause = overflow ? limits.maxBackoff : min(grown, limits.maxBackoff)
        // Up to a half less, by the dial's own number, so that engines do not knock together.
        let early = pause / 2 / 1024 * Int64(bits(of: id(slot)) >> 54)
        let end = now.later(by: pause - early)
        routes[route].heldUntil = end
        backoffs.schedule(route, by: end)
    }

    /// A dial of the route succeeded: whatever was is forgotten.
    mutating func forgive(_ route: Int) {
        routes[route].failures = 0
        routes[route].heldUntil = nil
    }

    /// Lets the routes dial again whose pause is over, or forgets them.
    mutating func endPauses(_ now: Int64, _ actions: inout PoolActions) {
        while let route = backoffs.popDue(now) {
            if let end = routes[route].heldUntil {
                guard end <= now else {
                    // The heap may know an earlier pause of this route, or of one before it.
                    backoffs.schedule(route, by: end)
                    continue
                }
                routes[route].heldUntil = nil
            }
            tidy(route, now, &actions)
        }
    }

    /// Whether the route's pause is not over.
    func isHeld(_ route: Int, _ now: Int64) -> Bool {
        routes[route].heldUntil.map { now < $0 } ?? false
    }
}
