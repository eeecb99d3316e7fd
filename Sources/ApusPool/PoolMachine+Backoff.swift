package import ApusCore

/// The pause between dials of a route that fail, and who fails with them; how long it is, is for
/// `DialPause`.
extension PoolMachine {
    /// Routes that are remembered for their pause alone, at most; beyond them a failure is
    /// forgotten with its route.
    package static let maxHeldRoutes = 1024

    /// The connection's peer asks for calm (ENHANCE_YOUR_CALM): the route's next dial waits as
    /// after one that failed, and longer each time that a new connection is told so too.
    package mutating func calmDemanded(_ connection: ConnectionID, now: Deadline) {
        if let slot = find(connection) { holdBack(slot, .calm, now.nanoseconds) }
    }

    /// Fails those for whom the dial that has failed was the last hope: who waited when it began,
    /// if it was shared, and who will not wait for the pause that follows.
    mutating func failWaiters(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let (dial, route) = (slots[slot], slots[slot].route)
        guard routes[route].open == 0, routes[route].dials == 1 else { return }
        let isShared = !dial.isOwn && routes[route].capacity.multiplexes
        let isPaused = routes[route].pause.followsFailure(at: now)
        for list in [routes[route].pooledWaiters, routes[route].ownWaiters] {
            var next = list.head
            while let waiter = next {
                meter.add()
                next = waiters.links.next(waiter)
                let (arrival, reuse) = (waiters[waiter].arrival, waiters[waiter].reuse)
                let hasShared = isShared && reuse == .pooled && arrival <= dial.lastArrival
                guard hasShared || isPaused && !waiters[waiter].isPatient else { continue }
                fail(waiter, .dialFailed(id(slot)), &actions)
            }
        }
    }

    /// Whether a caller would wait for nothing but the end of the pause after a dial that failed.
    func isHopeless(_ route: Int, _ now: Int64) -> Bool {
        let isAlive = routes[route].open > 0 || routes[route].dials > 0
        return !isAlive && routes[route].pause.followsFailure(at: now)
    }
}
