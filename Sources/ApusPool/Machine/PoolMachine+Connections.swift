package import ApusCore

/// What happens to connections, as the shell reports it.
extension PoolMachine {
    /// A dial succeeded; the connection carries `capacity` exchanges at once.
    ///
    /// A dial that the pool has given up meanwhile comes back as a connection to close.
    /// - Parameters:
    ///   - isShared: whether it is a connection for many exchanges, even where its peer allows one
    ///     at present; `nil` is whatever `capacity` suggests.
    ///   - isReported: `false` while the peer of such a connection has not reported how many it
    ///     allows: `capacity` is a guess until `capacityChanged`, and the waiters that find no room
    ///     wait for that report rather than for another dial.
    ///   - loop: the loop that it lives on.
    package mutating func connectionEstablished(
        _ connection: ConnectionID, capacity: Int, isShared: Bool? = nil, isReported: Bool = true,
        on loop: Int = 0, now: Deadline
    ) -> PoolActions {
        precondition(capacity >= 0, "a connection of negative capacity")
        var actions = PoolActions()
        guard let slot = find(connection), let dial = slots[slot].dial else {
            let reason: CloseReason = isShutDown ? .shutdown : .cancelled
            actions.close.append(PoolActions.Close(connection: connection, reason: reason))
            return actions
        }
        let (route, isMultiplexed) = (dial.route, isShared ?? (capacity != 1))
        counters.connectionsOpened += 1
        let open = ConnectionSlot.Open(
            number: dial.number, route: route, capacity: capacity,
            sharing: !isMultiplexed ? .exclusive : isReported ? .multiplexed : .unreported,
            owner: dial.owner, loop: UInt16(clamping: loop))
        startTimes(slot, now.nanoseconds)
        routes[route].pause.succeeded(now.nanoseconds)
        dialEnded(dial)
        routes[route].capacity.learn(open)
        recallIdleTime(route)
        change(slot, of: route) { $0 = .open(open) }
        // More than the route may grow to, as when a burst of dials meets a peer that multiplexes:
        // it serves the waiter that it was made for, and is closed.
        let isSurplus = routes[route].multiplexed > limits.multiplexedPerHost
        if isSurplus, open.owner == nil { retire(slot, .evicted) }
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// What the route's peer was last known to allow on one connection; `nil` when that is not
    /// known, or was nothing at all.
    package func knownCapacity(for connection: ConnectionID) -> Int? {
        guard let slot = find(connection) else { return nil }
        let capacity = routes[slots[slot].route].capacity
        return capacity.multiplexes && capacity.expected != .max ? capacity.expected : nil
    }

    /// A dial failed, and with it the waiters that nothing else would serve (`failWaiters`).
    ///
    /// When the waiter that it was meant for was served otherwise meanwhile, no waiter fails.
    ///
    /// - Parameter wasMade: `false` when the shell held the dial back, which delays no other.
    package mutating func dialFailed(
        _ connection: ConnectionID, wasMade: Bool = true, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), let dial = slots[slot].dial else { return actions }
        counters.dialFailures += 1
        if wasMade { holdBack(slot, .failure, now.nanoseconds) }
        failWaiters(dial, id(slot), now.nanoseconds, &actions)
        vacate(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The connection has ended; the shell has ended its exchanges.
    package mutating func connectionClosed(
        _ connection: ConnectionID, reason: CloseReason, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].dial == nil else { return actions }
        learnIdleTime(slot, reason, now.nanoseconds)
        countEnd(slot, reason)
        vacate(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The connection takes no new exchanges and is closed after those in flight.
    ///
    /// The first reason stays.
    package mutating func drain(
        _ connection: ConnectionID, reason: CloseReason, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].isOpen else { return actions }
        learnIdleTime(slot, reason, now.nanoseconds)
        retire(slot, reason)
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The peer allows another number of exchanges at once; 0 is none for the present.
    package mutating func capacityChanged(
        _ connection: ConnectionID, to capacity: Int, now: Deadline
    ) -> PoolActions {
        precondition(capacity >= 0, "a connection of negative capacity")
        var actions = PoolActions()
        guard let slot = find(connection), case .open(let before) = slots[slot],
            before.capacity != capacity || before.sharing == .unreported
        else { return actions }
        changeRoom(slot) {
            $0.capacity = capacity
            if $0.sharing == .unreported { $0.sharing = .multiplexed }
        }
        if let open = slots[slot].connection { routes[open.route].capacity.learn(open) }
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The peer may be dead: no new exchanges until `connectionTrusted`.
    package mutating func connectionSuspected(
        _ connection: ConnectionID, now: Deadline
    ) -> PoolActions {
        roomChanged(connection, now) { $0.isSuspect = true }
    }

    /// The peer of a suspect connection showed life.
    package mutating func connectionTrusted(
        _ connection: ConnectionID, now: Deadline
    ) -> PoolActions {
        roomChanged(connection, now) { $0.isSuspect = false }
    }

    /// The peer takes less than the connection's exchanges have to send, or no longer does.
    ///
    /// While that is so of every connection that the route may use, the route grows by one.
    package mutating func congestionChanged(
        _ connection: ConnectionID, isCongested: Bool, now: Deadline
    ) -> PoolActions {
        var actions = roomChanged(connection, now) { $0.isCongested = isCongested }
        let route = find(connection).map { slots[$0].route }
        if let route, routes[route].isCongested {
            startFurtherDial(of: route, now.nanoseconds, &actions)
        }
        return actions
    }

    private mutating func roomChanged(
        _ connection: ConnectionID, _ now: Deadline, _ change: (inout ConnectionSlot.Open) -> Void
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].isOpen else { return actions }
        changeRoom(slot, change)
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The peer reported how long it keeps the connection idle; the caller takes its margin off
    /// first.
    ///
    /// It counts only where it is shorter than the tuning's own; the last hint replaces those
    /// before it.
    package mutating func idleTimeHinted(_ connection: ConnectionID, _ timeout: Duration) {
        guard let slot = find(connection), slots[slot].isOpen else { return }
        let limit = min(limits.idleTimeout, max(0, timeout.nanoseconds))
        times[slot].idleLimit = limit
        if slots[slot].mayExpire { schedule(slot) }
    }
}

// MARK: - Finding a connection's place

extension PoolMachine {
    /// Gives a connection whose room changed to waiters, and lists it by what is left.
    mutating func settle(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        if times[slot].retiresAt <= now, slots[slot].isOpen { retire(slot, .lifetime) }
        if case .open(let open) = slots[slot], let owner = open.owner, open.hasRoom {
            serveOwner(owner, slot, &actions)
        }
        while let waiter = routes[route].queue.pooled.head, slots[slot].hasRoom,
            !isClaimed(slot, before: waiter)
        {
            meter.add()
            if cede(slot, before: waiter, now, &actions) { return tidy(route, now, &actions) }
            grant(waiter, slot, &actions)
        }
        if slots[slot].exchanges > 0 {
            relist(slot)
        } else if case .draining(_, let reason) = slots[slot] {
            close(slot, reason, &actions)
        } else if !slots[slot].mayExpire {
            becomeIdle(slot, now, &actions)
        }
        tidy(route, now, &actions)
    }

    /// Serves the waiter that the connection was made for.
    private mutating func serveOwner(_ waiter: Int, _ slot: Int, _ actions: inout PoolActions) {
        let isOneShot = waiters[waiter].reuse == .oneShot
        grant(waiter, slot, &actions)
        let isSurplus = routes[slots[slot].route].multiplexed > limits.multiplexedPerHost
        if isOneShot || isSurplus { retire(slot, isOneShot ? .notPooled : .evicted) }
    }

    /// Whether this empty connection is to be closed for a caller that wants one of its own, came
    /// before `waiter`, and waits only because of the limit of connections: any other idle
    /// connection would be closed for that caller first.
    private func isClaimed(_ slot: Int, before waiter: Int) -> Bool {
        let state = routes[slots[slot].route]
        guard let owner = state.queue.own.head, case .open(let open) = slots[slot],
            open.exchanges == 0
        else { return false }
        return waiters[owner].arrival < waiters[waiter].arrival
            && state.connections >= limits.connectionsPerHost
            && state.idle.count == (open.listing == .idle ? 1 : 0)
            && state.dials < limits.dialsPerHost(state)
    }

    /// Lists a connection as idle, unless it is past its time, and keeps the limits.
    private mutating func becomeIdle(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        times[slot].idleLimit = min(times[slot].idleLimit, routes[route].learnedIdleLimit)
        if let reason = times[slot].expiry(isIdle: true, now) {
            return close(slot, reason, &actions)
        }
        relist(slot)
        schedule(slot)
        if routes[route].idle.count > limits.idlePerHost, let oldest = routes[route].idle.tail {
            close(oldest, .evicted, &actions)
        }
        if idle.count > limits.idle, let oldest = idle.tail {
            let other = slots[oldest].route
            close(oldest, .evicted, &actions)
            if other != route { tidy(other, now, &actions) }
        }
    }

    /// Makes an open connection take no more; it is closed when it is settled with no exchanges.
    mutating func retire(_ slot: Int, _ reason: CloseReason) {
        change(slot, of: slots[slot].route) { $0.drain(reason) }
        relist(slot)
    }

    /// Forgets a connection or dial and has the shell end it.
    mutating func close(_ slot: Int, _ reason: CloseReason, _ actions: inout PoolActions) {
        actions.close.append(PoolActions.Close(connection: id(slot), reason: reason))
        countEnd(slot, reason)
        failOwner(slot, &actions)
        remove(slot)
    }

    /// Forgets a connection that has ended; the room that it leaves goes to waiters.
    private mutating func vacate(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        failOwner(slot, &actions)
        remove(slot)
        tidy(route, now, &actions)
    }

    /// Fails the waiter that a lost connection was made for, if it still waits, and no other shared
    /// dial goes on.
    private mutating func failOwner(_ slot: Int, _ actions: inout PoolActions) {
        guard let waiter = slots[slot].waiter, !mayOutliveDial(slot) else { return }
        fail(waiter, .dialFailed(id(slot)), &actions)
    }
}
