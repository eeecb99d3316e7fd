import ApusCore

/// The caps over routes: whose dial starts when a place is free, and what is closed to make one.
///
/// A dial takes a place under all caps of its route at once, or none. Where a cap is full, the idle
/// connection under it that was used longest ago is closed; without one the route waits under that
/// cap, in the order of its oldest caller. After each step the queues of the caps that may have a
/// place again are looked at. So no route waits under a cap that has a free place, or an idle
/// connection that may be closed for it; of the routes under the same caps, the one whose caller
/// came first dials first. A connection in use is never closed for another route.
extension PoolMachine {
    /// Starts the dials of a route under caps that are wanted and allowed, and those of other
    /// routes that wait for a place under the same caps: the oldest caller first.
    mutating func startDialsUnderCaps(
        _ route: Int, _ now: Int64, _ actions: inout PoolActions
    ) {
        enlist(route, now)
        caps.lookAt(route)
        serveCaps(before: .max, now, &actions)
        scheduleHedge(route, now)
    }

    /// Whether a step on the route may lead to dials.
    func mayStartDials(_ route: Int) -> Bool {
        routes[route].queue.undialled > 0 || caps.hasQueue(route)
    }

    /// Gives an empty connection's place to callers who came before `waiter`, which the connection
    /// could serve, and wait under its caps: to no other if they have no use for it.
    ///
    /// A connection that was just dialled is not given away.
    /// - Returns: whether the connection was closed for one.
    mutating func cede(
        _ slot: Int, before waiter: Int, _ now: Int64, _ actions: inout PoolActions
    ) -> Bool {
        guard case .open(let open) = slots[slot], open.exchanges == 0, open.carried > 0,
            caps.hasQueue(open.route)
        else { return false }
        relist(slot)
        caps.lookAt(open.route)
        serveCaps(before: waiters[waiter].arrival, now, &actions)
        return !slots[slot].holds(open.number)
    }

    /// Serves the queues that are to be looked at, as far as callers came before `arrival`.
    private mutating func serveCaps(
        before arrival: UInt64, _ now: Int64, _ actions: inout PoolActions
    ) {
        while let head = caps.nextHead(), head.arrival < arrival {
            meter.add()
            guard let waiter = nextUnderCaps(head.route, now) else {
                caps.withdraw(head.route)
                continue
            }
            // The caller that the route waited for may have left meanwhile.
            guard waiters[waiter].arrival == head.arrival else {
                caps.enlist(head.route, arrival: waiters[waiter].arrival)
                continue
            }
            if let full = dial(for: waiter, of: head.route, now, &actions) {
                if full == head.cap { caps.wasSeen(full) } else { caps.move(head.route, to: full) }
            }
        }
    }

    /// Has a route wait for a place for the caller that it would dial for next.
    private mutating func enlist(_ route: Int, _ now: Int64) {
        if let waiter = nextUnderCaps(route, now) {
            caps.enlist(route, arrival: waiters[waiter].arrival)
        } else {
            caps.withdraw(route)
        }
    }

    /// The caller that a route under caps would dial for next.
    ///
    /// A second dial beside one that takes too long (`DialHedge`) takes a free place or is not
    /// made: it neither waits nor has a connection closed.
    private func nextUnderCaps(_ route: Int, _ now: Int64) -> Int? {
        guard !isShutDown, !isHeld(route, now) else { return nil }
        let mayHedge = caps.hasRoom(route)
        return routes[route].nextToDial(waiters, limits, mayHedge ? now : .min)
    }

    /// Starts a dial for a caller, if there is a place under each cap of its route or one can be
    /// made.
    ///
    /// - Returns: a cap that has none; no connection was closed then.
    private mutating func dial(
        for waiter: Int, of route: Int, _ now: Int64, _ actions: inout PoolActions
    ) -> Int? {
        // A connection that the route's own limit has closed leaves a place under each of its caps.
        if !makeRoomOnRoute(route, &actions) {
            var closing: [Int] = []
            for cap in caps.of(route) where caps.isFull(cap) {
                let isServed = closing.contains { caps.of(slots[$0].route).contains(cap) }
                if isServed { continue }
                guard let slot = leastRecentlyUsed(under: cap, for: waiter) else { return cap }
                closing.append(slot)
            }
            for slot in closing { evict(slot, now, &actions) }
        }
        startDial(for: waiter, of: route, now, &actions)
        return nil
    }

    /// Closes an idle connection to make room for another route, whose callers are looked at again.
    private mutating func evict(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        close(slot, .evicted, &actions)
        enlist(route, now)
        caps.lookAt(route)
        forgetIfEmpty(route)
    }

    /// The idle connection under a cap that was used longest ago and may be closed for a caller.
    ///
    /// The work grows with the routes that have connections under one cap, which its limit bounds.
    private mutating func leastRecentlyUsed(under cap: Int, for waiter: Int) -> Int? {
        guard !caps.isOfEngine(cap) else {
            var next = idle.tail
            while let slot = next, !isEvictable(slot, for: waiter) {
                meter.add()
                next = idleLinks.previous(slot)
            }
            return next
        }
        var found: Int?
        for route in caps.occupants(of: cap) {
            meter.add()
            var next = routes[route].idle.tail
            while let slot = next, !isEvictable(slot, for: waiter) {
                meter.add()
                next = routeLinks.previous(slot)
            }
            guard let slot = next else { continue }
            guard let other = found else {
                found = slot
                continue
            }
            if (times[slot].idleSince, times[slot].order)
                < (times[other].idleSince, times[other].order)
            {
                found = slot
            }
        }
        return found
    }

    /// Whether an idle connection may be closed for a caller.
    ///
    /// One without room, for which callers of its route wait, is closed only for a caller who came
    /// before them: two routes whose peers allow nothing would else close each other's connections
    /// in turn.
    private func isEvictable(_ slot: Int, for waiter: Int) -> Bool {
        guard case .open(let open) = slots[slot], open.owner == nil else { return false }
        guard !open.hasRoom, let oldest = routes[open.route].queue.pooled.head else { return true }
        return waiters[waiter].arrival < waiters[oldest].arrival
    }
}
