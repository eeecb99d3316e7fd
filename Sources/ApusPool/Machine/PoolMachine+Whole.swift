package import ApusCore

/// Steps that come from the clock or from the user and concern many connections.
extension PoolMachine {
    /// Closes what is past its time.
    package mutating func deadlineReached(now: Deadline) -> PoolActions {
        var actions = PoolActions()
        let instant = now.nanoseconds
        while let slot = timers.popDue(instant) {
            meter.add()
            // A caller who has come meanwhile waits for this dial.
            rematch(slot)
            // A connection in use is entered again when it becomes idle.
            if slots[slot].mayExpire { expire(slot, instant, &actions) }
        }
        startHedges(instant, &actions)
        endPauses(instant, &actions)
        return actions
    }

    /// Closes what is past its time, or has it looked at again.
    mutating func expire(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        guard let reason = expiry(slot, now) else { return schedule(slot) }
        let route = slots[slot].route
        close(slot, reason, &actions)
        tidy(route, now, &actions)
    }

    /// Dials until the route has `connections` of them, within its limits.
    ///
    /// While the route might multiplex, one is dialled at most. Nothing is closed for it: under a
    /// cap that is full it dials no more.
    ///
    /// - Parameter dials: how many one step may start; when it starts as many, there may be more to
    ///   do.
    package mutating func prewarm(
        _ route: Route, connections: Int, dials: Int = .max, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard !isShutDown else { return actions }
        let index = routeIndex(route)
        let state = routes[index]
        // More than may be idle would be evicted as soon as they are established.
        var most = min(
            connections, limits.connectionsPerHost, min(limits.idlePerHost, limits.idle))
        if state.capacity.multiplexes {
            most = min(most, state.multiplexed == 0 ? 1 : limits.multiplexedPerHost)
        }
        while routes[index].connections < most, actions.dial.count < dials,
            startUnwantedDial(of: index, now.nanoseconds, &actions)
        {}
        forgetIfEmpty(index)
        return actions
    }

    /// Closes idle connections, those that have been idle longest first; those in use are not
    /// touched, and the pool goes on.
    ///
    /// - Parameter most: 1, as when descriptors run out, or all.
    package mutating func closeIdle(_ why: CloseReason, most: Int, now: Deadline) -> PoolActions {
        var actions = PoolActions()
        while actions.close.count < most, let oldest = idle.tail {
            let route = slots[oldest].route
            close(oldest, why, &actions)
            tidy(route, now.nanoseconds, &actions)
        }
        return actions
    }

    /// Drains every open connection of these routes, as when credentials change, and ends the
    /// pauses after their dials that failed.
    ///
    /// A dial in flight is not touched: it began after the change, or its route differs.
    package mutating func drainAll(
        of drained: Set<Route>, reason: CloseReason, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        for slot in slots.indices where slots[slot].isOpen {
            guard let route = routes[slots[slot].route].route, drained.contains(route) else {
                continue
            }
            retire(slot, reason)
            settle(slot, now.nanoseconds, &actions)
        }
        for index in drained.compactMap({ routeIndices[$0] }) {
            routes[index].pause.retry()
            tidy(index, now.nanoseconds, &actions)
        }
        return actions
    }

    /// Refuses new leases, fails those who wait, gives up dials and closes idle connections; the
    /// others are closed after their exchanges.
    package mutating func shutDown(now: Deadline) -> PoolActions {
        var actions = PoolActions()
        guard !isShutDown else { return actions }
        isShutDown = true
        for waiter in waiters.all { fail(waiter, .shutDown, &actions) }
        for slot in slots.indices {
            switch slots[slot] {
            case .vacant, .draining: continue
            case .dialling: close(slot, .shutdown, &actions)
            case .open:
                retire(slot, .shutdown)
                settle(slot, now.nanoseconds, &actions)
            }
        }
        for route in routes.indices {
            routes[route].pause.forget()
            forgetIfEmpty(route)
        }
        return actions
    }
}
