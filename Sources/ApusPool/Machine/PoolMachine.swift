package import ApusCore

/// The pool's decisions: who gets which connection, what is dialled, what is closed.
///
/// One machine serves all routes and knows no protocol: HTTP/1.1 is a connection of capacity 1,
/// HTTP/2 one of capacity n. It has no clock, lock or socket. The shell calls it under one lock,
/// releases the lock, and then does what the step returned. The rules, in order:
///
/// 1. A pooled lease takes the idle connection used last, one of the caller's own loop before
///    others. Of connections for many exchanges it takes the least loaded among the oldest ones
///    that are enough (`PoolMachine+Spreading.swift`).
/// 2. Else it waits in line, and dials start within the limits: one for all waiters while the route
///    might multiplex, as many as needed once a connection has shown what it carries.
/// 3. A connection with room serves the oldest waiter, even if it was dialled for another. A dial
///    that outlives its waiter serves the next one or feeds the pool; when its waiter gave up and
///    no other waits, it has a grace to do so.
/// 4. A caller who wants a connection of its own gets the connection dialled for it and no other.
/// 5. Idle connections beyond a limit are closed, least recently used first.
/// 6. A failed dial fails the waiter that it was meant for. A shared one fails all that waited when
///    it began, unless another dial or connection of the route may still serve them.
/// 7. The route's next dial waits a while. Meanwhile a caller that could only wait for the end of
///    that pause fails at once, unless it is patient.
/// 8. Beside a shared dial that takes too long a second one starts (`DialHedge`).
/// 9. A dial needs a place under each cap over routes; idle connections of any route make room, and
///    the caller who came first gets it (`PoolMachine+Caps.swift`).
///
/// No step's work grows with the pool, except those that touch all of it by their nature.
/// The ID of a connection that has ended is not an error: the report and the pool's own close
/// crossed.
package struct PoolMachine: Sendable {
    let limits: PoolLimits
    /// Spreads lifetimes; see `retirement`.
    let seed: UInt64
    var slots: [ConnectionSlot] = []
    /// Of each slot's connection, while it is open or drains.
    var times: [ConnectionTimes] = []
    var vacantSlots: [Int] = []
    var routes: [RouteState] = []
    var vacantRoutes: [Int] = []
    /// The index of each route's state; the only place where a route is hashed.
    var routeIndices: [Route: Int] = [:]
    var waiters = WaiterTable()
    /// The caps over routes.
    var caps: ConnectionCaps
    /// The links of `RouteState.idle` and `RouteState.shared`.
    var routeLinks = IndexLinks()
    /// Idle connections over all routes, most recently used first.
    var idle = IndexList()
    var idleLinks = IndexLinks()
    var timers = DeadlineHeap()
    /// Routes that pause after a failed dial.
    var backoffs = DeadlineHeap()
    /// Routes whose one dial gets a second one beside it when it takes too long.
    var hedges = DeadlineHeap()
    var idleMemory = IdleMemory()
    var isShutDown = false
    var meter = WorkMeter()
    /// `counts`, but for those that the lists keep.
    var totals = PoolCounts()
    /// What was done so far, by cause.
    package internal(set) var counters = PoolCounters()

    /// - Parameter seed: Random, so that two processes do not renew their connections in step.
    package init(_ tuning: EngineTuning.Pool, http2: EngineTuning.HTTP2, seed: UInt64) {
        limits = PoolLimits(tuning, http2: http2)
        caps = ConnectionCaps(CapLimits(tuning))
        self.seed = seed
    }

    /// Asks for a connection for one exchange.
    ///
    /// A caller that waits gives up with `cancelWaiter`; the pool sets no deadline for waiting.
    ///
    /// - Parameters:
    ///   - isPatient: whether the caller waits for the pause after a failed dial to end.
    ///   - mayDial: whether a dial may begin for it; else it is served at once or refused.
    ///   - loop: the loop that the caller runs on; `nil` prefers none.
    package mutating func lease(
        _ route: Route, reuse: Reuse, isPatient: Bool = false, mayDial: Bool = true,
        near loop: Int? = nil, now: Deadline
    ) -> (result: LeaseResult, actions: PoolActions) {
        var actions = PoolActions()
        guard !isShutDown else {
            counters.refusals += 1
            return (.refused(.shutDown), actions)
        }
        let index = routeIndex(route)
        if reuse == .pooled, let slot = takeAvailable(index, loop, now.nanoseconds, &actions) {
            if slots[slot].exchanges >= limits.preferredPerConnection {
                startFurtherDial(of: index, now.nanoseconds, &actions)
            }
            return (.leased(id(slot), isReused: occupy(slot)), actions)
        }
        if !mayDial || !isPatient && isHopeless(index, now.nanoseconds) {
            forgetIfEmpty(index)
            counters.refusals += 1
            return (.refused(.dialFailed), actions)
        }
        let waiter = waiters.add(reuse, isPatient: isPatient, route: index)
        routes[index].queue.append(waiter, in: &waiters)
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
        slots[slot].exchangeEnded()
        times[slot].idleSince = now.nanoseconds
        totals.exchanges -= 1
        counters.releases += 1
        settle(slot, now.nanoseconds, &actions)
        return actions
    }

    /// A caller waits no longer.
    ///
    /// The dial that was meant for it serves the next waiter. When no other waits, the dial is
    /// given up after a grace, or at once if the pool may not keep the connection.
    /// - Returns: `nil` when it was served or failed already; a connection that it was served with
    ///   is then to be released.
    package mutating func cancelWaiter(_ id: WaiterID, now: Deadline) -> PoolActions? {
        guard let waiter = waiters.find(id) else { return nil }
        var actions = PoolActions()
        let (route, dial) = (waiters[waiter].route, waiters[waiter].dial)
        let grace = waiters[waiter].reuse == .oneShot ? 0 : limits.dialGrace
        counters.abandonedWaits += 1
        dequeue(waiter, dialSurvives: true)
        if let dial, slots[dial].isUnwantedDial {
            slots[dial].updateDial { $0.givenUpAt = now.nanoseconds.later(by: grace) }
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
        _ route: Int, _ loop: Int?, _ now: Int64, _ actions: inout PoolActions
    ) -> Int? {
        while let slot = bestWithRoom(route, near: loop) {
            let isIdle = slots[slot].exchanges == 0
            guard let reason = times[slot].expiry(isIdle: isIdle, now) else {
                if isIdle { times[slot].idleUntil = now }
                return slot
            }
            if isIdle { close(slot, reason, &actions) } else { retire(slot, reason) }
        }
        return nil
    }

    /// The connection that is to be used next; a single one is not compared.
    private mutating func bestWithRoom(_ route: Int, near loop: Int?) -> Int? {
        meter.add()
        let isSpread = routes[route].multiplexed > 0 || !routes[route].shared.isEmpty
        if isSpread, routes[route].connections > 1 { return leastLoadedOfEnough(route) }
        return routes[route].shared.head ?? usedLast(route, near: loop)
    }

    /// Puts one more exchange on a connection.
    ///
    /// - Returns: Whether the connection has carried one before.
    mutating func occupy(_ slot: Int) -> Bool {
        let carried = slots[slot].exchangeBegan()
        totals.exchanges += 1
        counters.leases += 1
        if carried > 1 { counters.reuses += 1 }
        if carried >= limits.requestsPerConnection { retire(slot, .exhausted) }
        relist(slot)
        return carried > 1
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
