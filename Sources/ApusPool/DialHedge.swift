/// When a second dial starts beside one that several callers wait for.
///
/// While a route may multiplex, one dial is made for everybody. A peer that accepts it and says
/// nothing would hold up all of them until that dial's own timeout. So a dial which several wait
/// for has a while of its own; after that one more starts, and whichever is first serves them.
/// There is never more than one dial beside another for this reason.
struct DialHedge: Sendable {
    /// When the last dial that is shared began.
    private var began = Int64.min

    /// A dial began that may serve any caller.
    mutating func dialStarted(_ now: Int64) { began = now }

    /// From when on the dials in flight will not do; `nil` when they will, however long they take.
    ///
    /// - Parameter delay: in nanoseconds; `ConnectionSlot.never` is off.
    func dueAt(delay: Int64, sharedDials: Int, waiting: Int) -> Int64? {
        guard sharedDials == 1, waiting > 1, delay != ConnectionSlot.never else { return nil }
        return began.later(by: delay)
    }
}

// MARK: - Where the pool asks

extension RouteState {
    /// From when on the one dial in flight will not do for those who wait.
    func hedgeDueAt(_ limits: PoolLimits) -> Int64? {
        guard capacity.multiplexes else { return nil }
        return hedge.dueAt(
            delay: limits.hedgeDelay, sharedDials: pooledDials, waiting: pooledWaiters.count)
    }
}

extension PoolMachine {
    /// Whether another dial goes on that is shared with those who wait for this one.
    func mayOutliveDial(_ slot: Int) -> Bool {
        let route = slots[slot].route
        return slots[slot].phase == .dialling && !slots[slot].isOwn && routes[route].pooledDials > 1
            && routes[route].capacity.multiplexes
    }

    /// Has the route looked at when its dial has taken too long.
    mutating func scheduleHedge(_ route: Int, _ now: Int64) {
        guard let dueAt = routes[route].hedgeDueAt(limits), dueAt > now else { return }
        hedges.schedule(route, by: dueAt)
    }

    /// Lets the routes dial once more whose dial has taken too long.
    mutating func startHedges(_ now: Int64, _ actions: inout PoolActions) {
        while let route = hedges.popDue(now) {
            meter.add()
            tidy(route, now, &actions)
        }
    }
}
