/// When a second dial starts beside one that several callers wait for.
///
/// While a route may multiplex, one dial is made for all its waiters. A peer that accepts it and
/// sends nothing would hold up all of them until that dial's own timeout. So when several wait for
/// a dial, one more starts after a delay, and the first to succeed serves them. There is never more
/// than one dial beside another for this reason.
struct DialHedge: Sendable {
    /// When the last shared dial began.
    private var began = Int64.min

    /// A dial began that may serve any caller.
    mutating func dialStarted(_ now: Int64) { began = now }

    /// When one more dial is wanted beside those in flight; `nil` when none is, however long they
    /// take.
    ///
    /// - Parameter delay: in nanoseconds; `never` is off.
    func dueAt(delay: Int64, sharedDials: Int, waiting: Int) -> Int64? {
        guard sharedDials == 1, waiting > 1, delay != .never else { return nil }
        return began.later(by: delay)
    }
}

// MARK: - In the pool

extension RouteState {
    /// When one more dial is wanted beside the one in flight; `nil` when none is.
    func hedgeDueAt(_ limits: PoolLimits) -> Int64? {
        guard capacity.multiplexes else { return nil }
        return hedge.dueAt(
            delay: limits.hedgeDelay, sharedDials: sharedDials, waiting: queue.pooled.count)
    }
}

extension PoolMachine {
    /// Whether another shared dial goes on that may serve those who wait for this one.
    func mayOutliveDial(_ slot: Int) -> Bool {
        guard case .dialling(let dial) = slots[slot], dial.owner == nil else { return false }
        return routes[dial.route].sharedDials > 1 && routes[dial.route].capacity.multiplexes
    }

    /// Has the route looked at when its dial has taken too long.
    mutating func scheduleHedge(_ route: Int, _ now: Int64) {
        guard let dueAt = routes[route].hedgeDueAt(limits), dueAt > now else { return }
        hedges.schedule(route, by: dueAt)
    }

    /// Starts one more dial for the routes whose dial has taken too long.
    mutating func startHedges(_ now: Int64, _ actions: inout PoolActions) {
        while let route = hedges.popDue(now) {
            meter.add()
            tidy(route, now, &actions)
        }
    }
}
