import ApusCore

/// Who waits for what, and the dials that are started for them.
///
/// Each dial in flight is matched with one waiter, who fails if it fails, unless another dial goes
/// on that is shared; a connection may serve another waiter all the same, and then the matching
/// moves. The waiters without a dial are always
/// the youngest, so one index per route tells who is next.
extension PoolMachine {
    /// Puts a caller at the end of its queue.
    mutating func enqueue(_ reuse: Reuse, isPatient: Bool, _ route: Int) -> Int {
        let waiter = waiters.add(reuse, isPatient: isPatient, route: route)
        routes[route].waiters += 1
        routes[route].undialled += 1
        if reuse == .pooled {
            waiters.links.pushBack(waiter, on: &routes[route].pooledWaiters)
            if routes[route].firstUndialled == nil { routes[route].firstUndialled = waiter }
        } else {
            waiters.links.pushBack(waiter, on: &routes[route].ownWaiters)
        }
        return waiter
    }

    /// Takes a caller out of its queue; a dial that was meant for it and goes on serves whoever is
    /// next.
    mutating func dequeue(_ waiter: Int, dialSurvives: Bool) {
        let route = waiters[waiter].route
        let dial = waiters[waiter].dial
        routes[route].waiters -= 1
        if dial == IndexLinks.none {
            routes[route].undialled -= 1
            if routes[route].firstUndialled == waiter {
                routes[route].firstUndialled = waiters.links.next(waiter)
            }
        }
        if waiters[waiter].reuse == .pooled {
            waiters.links.remove(waiter, from: &routes[route].pooledWaiters)
        } else if dial == IndexLinks.none {
            waiters.links.remove(waiter, from: &routes[route].ownWaiters)
        }
        waiters.remove(waiter)
        guard dial != IndexLinks.none else { return }
        slots[dial].waiter = IndexLinks.none
        if dialSurvives { orphan(dial) }
    }

    /// A dial without a waiter serves anybody.
    mutating func orphan(_ slot: Int) {
        guard slots[slot].isUnwanted else { return }
        let route = slots[slot].route
        if slots[slot].isOwn {
            slots[slot].isOwn = false
            routes[route].pooledDials += 1
        }
        if let next = routes[route].firstUndialled { match(slot, next) }
    }

    /// Means a dial for the first pooled waiter without one.
    private mutating func match(_ slot: Int, _ waiter: Int) {
        let route = slots[slot].route
        slots[slot].waiter = waiter
        waiters[waiter].dial = slot
        routes[route].undialled -= 1
        routes[route].firstUndialled = waiters.links.next(waiter)
    }

    /// Ends the matching of a dial that is over; the youngest waiter with a dial gives its own up
    /// for the one who lost it, which keeps those without a dial last.
    mutating func unmatch(_ slot: Int) {
        let waiter = slots[slot].waiter
        guard waiter != IndexLinks.none else { return }
        let route = slots[slot].route
        slots[slot].waiter = IndexLinks.none
        let youngest =
            routes[route].firstUndialled.map { waiters.links.previous($0) ?? waiter }
            ?? routes[route].pooledWaiters.tail ?? waiter
        if youngest != waiter {
            let dial = waiters[youngest].dial
            slots[dial].waiter = waiter
            waiters[waiter].dial = dial
        }
        waiters[youngest].dial = IndexLinks.none
        routes[route].firstUndialled = youngest
        routes[route].undialled += 1
    }

    /// Ends a wait without a connection.
    mutating func fail(
        _ waiter: Int, _ cause: PoolActions.Failure.Cause, _ actions: inout PoolActions
    ) {
        actions.failedWaiters.append(
            PoolActions.Failure(waiter: waiters.id(waiter), cause: cause))
        counters.failedWaiters += 1
        dequeue(waiter, dialSurvives: false)
    }

    /// After a step on a route: starts the dials that became possible, or forgets the route.
    mutating func tidy(_ route: Int, _ now: Int64, _ actions: inout PoolActions) {
        if routes[route].undialled > 0 { startDials(route, now, &actions) }
        if routes[route].isEmpty { forgetIfEmpty(route) }
    }

    /// Starts every dial that is wanted and allowed, for the oldest waiter first.
    mutating func startDials(_ index: Int, _ now: Int64, _ actions: inout PoolActions) {
        guard !isShutDown, !isHeld(index, now) else { return }
        while let waiter = nextToDial(index, now), let route = routes[index].route {
            meter.add()
            let isOwn = waiters[waiter].reuse != .pooled
            if routes[index].connections >= limits.connectionsPerHost,
                let oldest = routes[index].idle.tail
            {
                close(oldest, .evicted, &actions)
            }
            let slot = addDial(index, isOwn: isOwn, now)
            if isOwn {
                waiters.links.remove(waiter, from: &routes[index].ownWaiters)
                routes[index].undialled -= 1
                slots[slot].waiter = waiter
                waiters[waiter].dial = slot
            } else {
                match(slot, waiter)
            }
            actions.dial.append(PoolActions.Dial(connection: id(slot), route: route))
        }
        scheduleHedge(index, now)
    }

    /// The oldest waiter for whom a dial may start now.
    ///
    /// At the limit of connections, only a caller who wants one of its own has an idle one closed:
    /// any other would have taken it, had it room.
    private func nextToDial(_ index: Int, _ now: Int64) -> Int? {
        let state = routes[index]
        guard state.undialled > 0, state.dials < limits.dialsPerHost(state) else { return nil }
        let isBelowLimit = state.connections < limits.connectionsPerHost
        let pooled = isBelowLimit && state.wantsDial(limits, now) ? state.firstUndialled : nil
        let own = isBelowLimit || !state.idle.isEmpty ? state.ownWaiters.head : nil
        guard let pooled, let own else { return pooled ?? own }
        return waiters[pooled].arrival < waiters[own].arrival ? pooled : own
    }
}
