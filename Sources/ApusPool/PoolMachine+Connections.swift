package import ApusCore

/// What happens to connections, as the shell tells it.
extension PoolMachine {
    /// A dial succeeded; the connection carries `capacity` exchanges at once.
    ///
    /// A dial that the pool has given up meanwhile comes back as one to close.
    /// - Parameters:
    ///   - isShared: whether it is a connection for many exchanges, even where its peer allows one
    ///     at present; without a word the capacity tells.
    ///   - isHeard: `false` while the peer of such a connection has not said how many it allows:
    ///     `capacity` is a guess until `capacityChanged`, and whoever it leaves waiting waits for
    ///     that word rather than for another dial.
    package mutating func connectionEstablished(
        _ connection: ConnectionID, capacity: Int, isShared: Bool? = nil, isHeard: Bool = true,
        now: Deadline
    ) -> PoolActions {
        precondition(capacity >= 0, "a connection of negative capacity")
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].phase == .dialling else {
            let reason: CloseReason = isShutDown ? .shutdown : .cancelled
            actions.close.append(PoolActions.Close(connection: connection, reason: reason))
            return actions
        }
        let route = slots[slot].route
        counters.established += 1
        slots[slot].failuresBefore = routes[route].pause.failures
        routes[route].pause.succeeded(now.nanoseconds)
        dialEnded(slot)
        slots[slot].isEstablished(at: now.nanoseconds, capacity, isShared, isHeard)
        slots[slot].order = UInt64(counters.established)
        slots[slot].idleLimit = limits.idleTimeout
        slots[slot].retiresAt = retirement(connection, now.nanoseconds)
        routes[route].capacity.learn(slots[slot])
        recallIdleTime(route)
        changePhase(slot) { $0.phase = .open }
        // More than the route may grow to, as when a burst of dials meets a peer that multiplexes:
        // it serves whom it was made for, and goes.
        let isSurplus = routes[route].multiplexed > limits.multiplexedPerHost
        if isSurplus, slots[slot].waiter == IndexLinks.none { retire(slot, .evicted) }
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

    /// A dial failed, and with it those for whom it was the last hope (`failWaiters`).
    ///
    /// When the waiter that it was meant for was served otherwise meanwhile, nobody fails.
    package mutating func dialFailed(_ connection: ConnectionID, now: Deadline) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].phase == .dialling else { return actions }
        counters.dialFailures += 1
        holdBack(slot, .failure, now.nanoseconds)
        failWaiters(slot, now.nanoseconds, &actions)
        vacate(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The connection is gone; its exchanges were ended by the shell.
    package mutating func connectionClosed(
        _ connection: ConnectionID, reason: CloseReason, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection) else { return actions }
        guard slots[slot].phase != .dialling else { return dialFailed(connection, now: now) }
        learnIdleTime(slot, reason, now.nanoseconds)
        countEnd(slot, reason)
        vacate(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The connection takes no new exchanges and goes when those in flight are over.
    ///
    /// The first reason stays.
    package mutating func drain(
        _ connection: ConnectionID, reason: CloseReason, now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].phase == .open else { return actions }
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
        guard let slot = find(connection), slots[slot].phase == .open,
            slots[slot].capacity != capacity || slots[slot].isUnheard
        else { return actions }
        changeRoom(slot) { ($0.capacity, $0.isUnheard) = (capacity, false) }
        routes[slots[slot].route].capacity.learn(slots[slot])
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The peer may be dead: no new exchanges until `connectionTrusted`.
    package mutating func connectionSuspected(
        _ connection: ConnectionID, now: Deadline
    ) -> PoolActions {
        suspicion(connection, true, now)
    }

    /// The peer of a suspect connection showed life.
    package mutating func connectionTrusted(
        _ connection: ConnectionID, now: Deadline
    ) -> PoolActions {
        suspicion(connection, false, now)
    }

    private mutating func suspicion(
        _ connection: ConnectionID, _ isSuspect: Bool, _ now: Deadline
    ) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection), slots[slot].phase == .open,
            slots[slot].isSuspect != isSuspect
        else { return actions }
        changeRoom(slot) { $0.isSuspect = isSuspect }
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// The peer said how long it keeps the connection idle; the caller takes its margin off first.
    ///
    /// It counts only where it is shorter than the tuning's own; the last hint replaces those
    /// before it.
    package mutating func idleTimeHinted(_ connection: ConnectionID, _ timeout: Duration) {
        guard let slot = find(connection), slots[slot].phase == .open else { return }
        slots[slot].idleLimit = min(limits.idleTimeout, max(0, timeout.nanoseconds))
        if slots[slot].listing == .idle { schedule(slot) }
    }
}

// MARK: - Finding a connection's place

extension PoolMachine {
    /// Gives a connection whose room changed to those who wait, and lists it by what is left.
    mutating func settle(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        if slots[slot].retiresAt <= now, slots[slot].phase == .open { retire(slot, .lifetime) }
        serveOwner(slot, &actions)
        while slots[slot].hasRoom, let waiter = routes[route].pooledWaiters.head,
            !isClaimed(slot, before: waiter)
        {
            meter.add()
            grant(waiter, slot, &actions)
        }
        if slots[slot].exchanges == 0 {
            if slots[slot].phase == .draining {
                close(slot, slots[slot].reason, &actions)
            } else if slots[slot].listing != .idle {
                becomeIdle(slot, now, &actions)
            }
        } else {
            relist(slot)
        }
        tidy(route, now, &actions)
    }

    /// Serves the one whom the connection was made for, if anybody.
    private mutating func serveOwner(_ slot: Int, _ actions: inout PoolActions) {
        let waiter = slots[slot].waiter
        guard waiter != IndexLinks.none, slots[slot].hasRoom else { return }
        let isOneShot = waiters[waiter].reuse == .oneShot
        grant(waiter, slot, &actions)
        let surplus = routes[slots[slot].route].multiplexed > limits.multiplexedPerHost
        if isOneShot || surplus { retire(slot, isOneShot ? .notPooled : .evicted) }
    }

    /// Whether the place of this empty connection belongs to a caller who wants one of its own, who
    /// came before `waiter`, and who is kept waiting by nothing but the limit: any other idle
    /// connection would go for him first.
    private func isClaimed(_ slot: Int, before waiter: Int) -> Bool {
        let state = routes[slots[slot].route]
        guard slots[slot].exchanges == 0, let owner = state.ownWaiters.head else { return false }
        return waiters[owner].arrival < waiters[waiter].arrival
            && state.connections >= limits.connectionsPerHost
            && state.idle.count == (slots[slot].listing == .idle ? 1 : 0)
            && state.dials < limits.dialsPerHost(state)
    }

    /// Lists a connection as idle, unless it is past its time, and keeps the limits.
    private mutating func becomeIdle(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        slots[slot].idleLimit = min(slots[slot].idleLimit, routes[route].learnedIdleLimit)
        if let reason = slots[slot].expiry(now) { return close(slot, reason, &actions) }
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
        slots[slot].reason = reason
        changePhase(slot) { $0.phase = .draining }
        relist(slot)
    }

    /// Forgets a connection or dial and has the shell end it.
    mutating func close(_ slot: Int, _ reason: CloseReason, _ actions: inout PoolActions) {
        actions.close.append(PoolActions.Close(connection: id(slot), reason: reason))
        countEnd(slot, reason)
        failOwner(slot, &actions)
        remove(slot)
    }

    /// Forgets a connection that is gone; what it leaves free goes to those who wait.
    private mutating func vacate(_ slot: Int, _ now: Int64, _ actions: inout PoolActions) {
        let route = slots[slot].route
        failOwner(slot, &actions)
        remove(slot)
        tidy(route, now, &actions)
    }

    /// Fails the waiter that a lost connection was made for, if it still waits, and no other dial
    /// goes on that is shared.
    private mutating func failOwner(_ slot: Int, _ actions: inout PoolActions) {
        let waiter = slots[slot].waiter
        guard waiter != IndexLinks.none, !mayOutliveDial(slot) else { return }
        fail(waiter, .dialFailed(id(slot)), &actions)
    }
}
