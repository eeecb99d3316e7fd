import ApusCore

/// What happens to those who wait, and the dials that are started for them.
///
/// Each dial in flight is matched with one waiter (`WaiterQueue`), who fails if it fails, unless
/// another shared dial goes on.
extension PoolMachine {
    /// Takes a caller out of its queue; a dial that was meant for it and goes on serves the next.
    mutating func dequeue(_ waiter: Int, dialSurvives: Bool) {
        let route = waiters[waiter].route
        guard let dial = routes[route].queue.remove(waiter, from: &waiters) else { return }
        detachWaiter(from: dial)
        if dialSurvives { rematch(dial) }
    }

    /// Matches a dial that no waiter depends on with the first pooled waiter without a dial.
    mutating func rematch(_ slot: Int) {
        guard slots[slot].isUnwantedDial else { return }
        let route = slots[slot].route
        guard let next = routes[route].queue.firstUndialled else { return }
        routes[route].queue.match(next, with: slot, in: &waiters)
        slots[slot].updateDial { $0.purpose = .shared(waiter: next) }
    }

    /// Ends a wait without a connection.
    mutating func fail(
        _ waiter: Int, _ cause: PoolActions.Failure.Cause, _ actions: inout PoolActions
    ) {
        actions.failedWaiters.append(
            PoolActions.Failure(waiter: waiters.id(waiter), cause: cause))
        counters.failedWaits += 1
        dequeue(waiter, dialSurvives: false)
    }

    /// After a step on a route: starts the dials that became possible, or forgets the route.
    mutating func tidy(_ route: Int, _ now: Int64, _ actions: inout PoolActions) {
        if mayStartDials(route) { startDials(route, now, &actions) }
        if routes[route].isEmpty { forgetIfEmpty(route) }
    }

    /// Starts every dial that is wanted and allowed, for the oldest waiter first.
    mutating func startDials(_ index: Int, _ now: Int64, _ actions: inout PoolActions) {
        guard !caps.cover(index) else { return startDialsUnderCaps(index, now, &actions) }
        guard !isShutDown, !isHeld(index, now) else { return }
        while let waiter = routes[index].nextToDial(waiters, limits, now) {
            meter.add()
            _ = makeRoomOnRoute(index, &actions)
            startDial(for: waiter, of: index, now, &actions)
        }
        scheduleHedge(index, now)
    }

    /// Closes an idle connection of a route that has as many as it may.
    ///
    /// - Returns: whether there was one.
    mutating func makeRoomOnRoute(_ index: Int, _ actions: inout PoolActions) -> Bool {
        guard routes[index].connections >= limits.connectionsPerHost,
            let oldest = routes[index].idle.tail
        else { return false }
        close(oldest, .evicted, &actions)
        return true
    }
}
