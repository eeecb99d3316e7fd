package import ApusCore

/// The pool's decisions: who gets which connection, what is dialled, what is closed.
///
/// One machine serves all routes and knows no protocol: HTTP/1.1 is a connection of capacity 1,
/// HTTP/2 one of capacity n. It has no clock, lock or socket. Whoever holds it calls it under one
/// lock, lets go, and then does what the step returned. The rules, in order:
///
/// 1. A pooled lease takes the idle connection used last; of connections for many exchanges, the
///    one that carries least of the oldest ones that are enough (`PoolMachine+Spreading.swift`).
/// 2. Else it waits in line, and dials start within the limits: one for everybody while the route
///    might multiplex, as many as needed once a connection has shown what it carries.
/// 3. A connection with room serves the oldest waiter, whoever it was dialled for; a dial that
///    outlives its waiter serves the next one or feeds the pool. When its waiter gave up and nobody
///    else waits, it has a grace to do so.
/// 4. A caller who wants a connection of its own gets the connection dialled for it and no other.
/// 5. What is idle beyond a limit is closed, least recently used first.
/// 6. A failed dial fails the waiter that it was meant for. One that was shared fails everybody who
///    waited when it began, unless another dial or connection of the route may still serve them.
/// 7. The route's next dial waits a while. Meanwhile a caller fails at once for whom there is
///    nothing but that pause to wait for, unless it is patient.
/// 8. Beside a shared dial that takes too long a second one starts (`DialHedge`).
///
/// No step's work grows with the pool, except those that touch all of it by their nature.
/// Names of connections that are gone are no error: the message crossed ours on the way.
package struct PoolMachine: Sendable {
    let limits: PoolLimits
    /// Spreads lifetimes; see `retirement`.
    let seed: UInt64
    var slots: [ConnectionSlot] = []
    var vacantSlots: [Int] = []
    var routes: [RouteState] = []
    var vacantRoutes: [Int] = []
    /// Where each route's state is; the only place where a route is hashed.
    var routeIndices: [Route: Int] = [:]
    var waiters = WaiterTable()
    /// The links of `RouteState.idle` and `RouteState.shared`.
    var routeLinks = IndexLinks()
    /// Idle connections over all routes, most recently used first.
    var idle = IndexList()
    var idleLinks = IndexLinks()
    var timers = DeadlineHeap()
    /// Routes that pause after a failed dial.
    var backoffs = DeadlineHeap()
    /// Routes whose one dial gets a second one beside it, when it takes too long.
    var hedges = DeadlineHeap()
    var idleMemory = IdleMemory()
    var isShutDown = false
    var meter = WorkMeter()
    /// `counts` without what the lists know.
    var totals = PoolCounts()
    /// What was done so far, by cause.
    package internal(set) var counters = PoolCounters()

    /// - Parameter seed: Random, so that two processes do not renew their connections in step.
    package init(_ tuning: EngineTuning.Pool, http2: EngineTuning.HTTP2, seed: UInt64) {
        limits = PoolLimits(tuning, http2: http2)
        self.seed = seed
    }

    /// Asks for a connection for one exchange.
    ///
    /// A caller who is told to wait gives up with `cancelWaiter`; waiting has no deadline here.
    ///
    /// - Parameter isPatient: whether the caller waits for the pause after a failed dial to end.
    package mutating func lease(
        _ route: Route, reuse: Reuse, isPatient: Bool = false, now: Deadline
    ) -> (result: LeaseResult, actions: PoolActions) {
        var actions = PoolActions()
        guard !isShutDown else {
            counters.refusals += 1
            return (.refused(.shutDown), actions)
        }
        let index = routeIndex(route)
        if reuse == .pooled, let slot = takeAvailable(index, now.nanoseconds, &actions) {
            return (.leased(id(slot), isReused: occupy(slot)), actions)
        }
        if !isPatient, isHopeless(index, now.nanoseconds) {
            counters.refusals += 1
            return (.refused(.dialFailed), actions)
        }
        let waiter = enqueue(reuse, isPatient: isPatient, index)
        startDials(index, now.nanoseconds, &actions)
        guard routes[index].queued <= limits.waitersPerHost else {
            dequeue(waiter, dialSurvives: true)
            forgetIfEmpty(index)
            counters.refusals += 1
            return (.refused(.tooManyWaiters), actions)
        }
        counters.waits += 1
        return (.wait(waiters.id(waiter)), actions)
    }

    /// One exchange is over; the connection may carry another.
    package mutating func release(_ connection: ConnectionID, now: Deadline) -> PoolActions {
        var actions = PoolActions()
        guard let slot = find(connection) else { return actions }
        precondition(slots[slot].exchanges > 0, "release without a lease")
        slots[slot].exchanges -= 1
        slots[slot].idleSince = now.nanoseconds
        totals.exchanges -= 1
        counters.releases += 1
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// A caller waits no longer.
    ///
    /// What was being dialled for it serves whoever is next. When nobody is, it is given up behind
    /// its grace, or at once if the pool may not keep it.
    /// - Returns: `nil` when it was served or failed already; a connection that it was served with
    ///   is then to be released.
    package mutating func cancelWaiter(_ id: WaiterID, now: Deadline) -> PoolActions? {
        guard let waiter = waiters.find(id) else { return nil }
        var actions = PoolActions()
        let (route, dial) = (waiters[waiter].route, waiters[waiter].dial)
        let grace = waiters[waiter].reuse == .oneShot ? 0 : limits.dialGrace
        counters.cancelledWaiters += 1
        dequeue(waiter, dialSurvives: true)
        if dial != IndexLinks.none, slots[dial].isUnwanted {
            slots[dial].retiresAt = now.nanoseconds.later(by: grace)
            expire(dial, now.nanoseconds, &actions)
        }
        tidy(route, now.nanoseconds, &actions)
        return actions
    }
}

// MARK: - Choosing a connection

extension PoolMachine {
    /// A connection of the route with room for an exchange, by rule 1.
    ///
    /// Those found past their time are closed on the way.
    private mutating func takeAvailable(
        _ route: Int, _ now: Int64, _ actions: inout PoolActions
    ) -> Int? {
        while let slot = bestWithRoom(route) {
            let isIdle = slots[slot].exchanges == 0
            guard let reason = slots[slot].expiry(now) else {
                if isIdle { slots[slot].idleUntil = now }
                return slot
            }
            if isIdle { close(slot, reason, &actions) } else { retire(slot, reason) }
        }
        return nil
    }

    /// The connection that is to be used next; of one alone there is no choice.
    private mutating func bestWithRoom(_ route: Int) -> Int? {
        meter.add()
        let isSpread = routes[route].multiplexed > 0 || !routes[route].shared.isEmpty
        if isSpread, routes[route].connections > 1 { return leastLoadedOfEnough(route) }
        let first = routes[route].shared.head ?? routes[route].idle.head
        return first.flatMap { slots[$0].hasRoom ? $0 : nil }
    }

    /// Puts one more exchange on a connection.
    ///
    /// - Returns: Whether the connection has carried one before.
    mutating func occupy(_ slot: Int) -> Bool {
        let isReused = slots[slot].carried > 0
        slots[slot].carried += 1
        slots[slot].exchanges += 1
        totals.exchanges += 1
        counters.leases += 1
        if isReused { counters.reuses += 1 }
        if slots[slot].carried >= limits.requestsPerConnection { retire(slot, .exhausted) }
        relist(slot)
        return isReused
    }

    /// Serves a waiter with a connection.
    mutating func grant(_ waiter: Int, _ slot: Int, _ actions: inout PoolActions) {
        let waiterID = waiters.id(waiter)
        dequeue(waiter, dialSurvives: true)
        counters.grants += 1
        let isReused = occupy(slot)
        actions.grants.append(
            PoolActions.Grant(waiter: waiterID, connection: id(slot), isReused: isReused))
    }
}
