package import ApusCore

/// The pause between dials of a route that fail, and the waiters that fail with them; `DialPause`
/// decides how long it is.
extension PoolMachine {
    /// The largest number of routes that are remembered for their pause alone; beyond it a failure
    /// is forgotten with its route.
    package static let maxHeldRoutes = 1024

    /// The connection's peer asks for calm (ENHANCE_YOUR_CALM): the route's next dial waits as
    /// after one that failed, and longer each time that a new connection meets the same.
    package mutating func calmDemanded(_ connection: ConnectionID, now: Deadline) {
        if let slot = find(connection) { holdBack(slot, .calm, now.nanoseconds) }
    }

    /// Fails the waiters that only the failed dial could have served: those who came before it
    /// began, if it was shared, and those who do not wait for the pause that follows.
    mutating func failWaiters(
        _ dial: ConnectionSlot.Dial, _ connection: ConnectionID, _ now: Int64,
        _ actions: inout PoolActions
    ) {
        let route = routes[dial.route]
        guard route.open == 0, route.dials == 1 else { return }
        let lastSharer = dial.owner == nil && route.capacity.multiplexes ? dial.lastArrival : 0
        let isPaused = route.pause.followsFailure(at: now)
        for list in [route.queue.pooled, route.queue.own] {
            var next = list.head
            while let waiter = next {
                meter.add()
                next = waiters.links.next(waiter)
                let caller = waiters[waiter]
                let hasShared = caller.reuse == .pooled && caller.arrival <= lastSharer
                guard hasShared || isPaused && !caller.isPatient else { continue }
                fail(waiter, .dialFailed(connection), &actions)
            }
        }
    }

    /// Whether a caller would wait for nothing but the end of the pause after a dial that failed.
    func isHopeless(_ route: Int, _ now: Int64) -> Bool {
        let isAlive = routes[route].open > 0 || routes[route].dials > 0
        return !isAlive && routes[route].pause.followsFailure(at: now)
    }
}
