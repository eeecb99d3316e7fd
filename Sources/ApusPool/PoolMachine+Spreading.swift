import ApusCore

/// How a route spreads its exchanges over several connections for many exchanges each, and shrinks
/// to fewer.
///
/// A route grows when every connection is full. It shrinks when half of them would do: the oldest
/// connections that together could carry twice what there is are enough, and the others get nothing
/// new, become idle, and are closed when their idle time is over. Between the two lies enough room
/// that a load which swings moves nothing.
extension PoolMachine {
    /// Of the connections that are enough, the one that carries least.
    ///
    /// Those found past their time are closed on the way.
    mutating func takeSpread(
        _ route: Int, _ now: Int64, _ actions: inout PoolActions
    ) -> Int? {
        while let slot = leastLoadedOfEnough(route) {
            if slots[slot].exchanges == 0 {
                guard let reason = slots[slot].expiry(now) else {
                    slots[slot].idleUntil = now
                    return slot
                }
                close(slot, reason, &actions)
            } else {
                guard slots[slot].retiresAt <= now else { return slot }
                retire(slot, .lifetime)
            }
        }
        return nil
    }

    /// What is looked at grows with the connections of one route, which
    /// `http2.maxConnectionsPerHost` bounds.
    private mutating func leastLoadedOfEnough(_ route: Int) -> Int? {
        var carried = 0
        eachWithRoom(route) { carried += slots[$0].exchanges }
        var best: Int?
        var capacity = 0
        var last: UInt64 = 0
        while capacity < 2 * (carried + 1), let next = oldest(route, after: last) {
            meter.add()
            last = slots[next].order
            capacity += slots[next].capacity
            if let found = best, slots[found].exchanges <= slots[next].exchanges { continue }
            best = next
        }
        return best
    }

    /// The oldest connection with room that was established after another.
    private func oldest(_ route: Int, after order: UInt64) -> Int? {
        var oldest: Int?
        eachWithRoom(route) { slot in
            guard slots[slot].order > order else { return }
            if let found = oldest, slots[found].order < slots[slot].order { return }
            oldest = slot
        }
        return oldest
    }

    private func eachWithRoom(_ route: Int, _ body: (Int) -> Void) {
        var next = routes[route].idle.head
        // Those without room stand at the end of the idle ones.
        while let slot = next, slots[slot].hasRoom {
            body(slot)
            next = routeLinks.next(slot)
        }
        next = routes[route].shared.head
        while let slot = next {
            body(slot)
            next = routeLinks.next(slot)
        }
    }
}
