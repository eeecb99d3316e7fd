package import ApusCore

/// What the pool holds, told whole; made on request and never used to decide.
package struct PoolSnapshot: Sendable {
    /// One route.
    package struct RouteEntry: Sendable, CustomStringConvertible {
        package let route: Route
        package let leased: Int
        package let idle: Int
        package let dialling: Int
        package let waiting: Int
        /// What those who wait wait for; `nil` when nobody does.
        package let waitingFor: WaitCause?
        /// How long a connection may be idle by what its peer taught; `nil` when it taught nothing.
        package let learnedIdle: Duration?

        /// As in "https://a.example: 3 leased, 2 idle, 1 dialling, 4 waiting for: dials per host".
        package var description: String {
            let text = "\(route): \(leased) leased, \(idle) idle, \(dialling) dialling"
            guard let waitingFor else { return text + ", 0 waiting" }
            return text + ", \(waiting) waiting for: \(waitingFor.rawValue)"
        }
    }

    /// One connection.
    package struct ConnectionEntry: Sendable {
        package let id: ConnectionID
        package let route: Route
        package let state: ConnectionState
        package let exchanges: Int
        package let capacity: Int
        /// Since the dial began, or, once it is over, since the connection was established.
        package let age: Duration
        /// Since its last exchange ended; `nil` while it carries one.
        package let idleFor: Duration?
    }

    package let counts: PoolCounts
    package let counters: PoolCounters
    package let routes: [RouteEntry]
    package let connections: [ConnectionEntry]
}

extension PoolMachine {
    /// When `deadlineReached` is to be called; sometimes too early, never too late.
    ///
    /// Any step may bring it forward.
    package var nextDeadline: Deadline? {
        let never = ConnectionSlot.never
        let first = min(timers.first ?? never, backoffs.first ?? never, hedges.first ?? never)
        return first == never ? nil : Deadline(nanoseconds: first)
    }

    /// What the pool holds now.
    package var counts: PoolCounts {
        var counts = totals
        counts.idle = idle.count
        counts.leased = counts.connections - counts.dialling - idle.count
        counts.waiting = waiters.count
        return counts
    }

    /// The routes that the pool holds something of.
    package var knownRoutes: [Route] { routes.compactMap(\.route) }

    /// Everything at once, sorted by nothing in particular.
    package func snapshot(now: Deadline) -> PoolSnapshot {
        PoolSnapshot(
            counts: counts, counters: counters,
            routes: routes.compactMap(entry(of:)),
            connections: slots.indices.compactMap { entry(of: $0, now.nanoseconds) })
    }

    /// One line for a route; `nil` when the pool holds nothing of it.
    package func description(of route: Route) -> String? {
        routeIndices[route].flatMap { entry(of: routes[$0])?.description }
    }

    private func entry(of state: RouteState) -> PoolSnapshot.RouteEntry? {
        guard let route = state.route else { return nil }
        return PoolSnapshot.RouteEntry(
            route: route, leased: state.connections - state.dials - state.idle.count,
            idle: state.idle.count, dialling: state.dials, waiting: state.waiters,
            waitingFor: waitCause(of: state),
            learnedIdle: state.learnedIdleLimit == ConnectionSlot.never
                ? nil : .nanoseconds(state.learnedIdleLimit))
    }

    /// Whether the pool holds anything of the route.
    package func holds(_ route: Route) -> Bool { routeIndices[route] != nil }

    /// The dial that a caller waits for; `nil` when it waits for something else, or no longer.
    package func dial(for id: WaiterID) -> WaitClock.Dial? {
        guard waitCause(of: id) == .dial, let waiter = waiters.find(id) else { return nil }
        let route = routes[waiters[waiter].route]
        // Those without a dial of their own share that of the oldest.
        let hasOwn = waiters[waiter].dial != IndexLinks.none
        guard hasOwn || route.pooledDials > 0 else { return nil }
        guard let owner = hasOwn ? waiter : route.pooledWaiters.head,
            waiters[owner].dial != IndexLinks.none
        else { return WaitClock.Dial(began: nil) }
        return WaitClock.Dial(began: Deadline(nanoseconds: slots[waiters[owner].dial].since))
    }

    /// What keeps a caller waiting; `nil` when nothing does.
    package func waitCause(of id: WaiterID) -> WaitCause? {
        guard let waiter = waiters.find(id) else { return nil }
        guard waiters[waiter].dial == IndexLinks.none else { return .dial }
        return waitCause(of: routes[waiters[waiter].route])
    }

    private func waitCause(of state: RouteState) -> WaitCause? {
        guard state.waiters > 0 else { return nil }
        guard state.queued > 0 else { return .dial }
        if state.pause.end != nil, state.dials == 0 { return .backoff }
        if state.connections >= limits.connectionsPerHost { return .connectionsPerHost }
        if state.dials >= limits.dialsPerHost(state) { return .dialsPerHost }
        // The peer's first word on its limit is as good as the end of a dial.
        return state.pooledDials + state.unheard > 0 ? .dial : .sharedConnectionsPerHost
    }

    private func entry(of slot: Int, _ now: Int64) -> PoolSnapshot.ConnectionEntry? {
        let connection = slots[slot]
        guard connection.phase != .vacant, let route = routes[connection.route].route else {
            return nil
        }
        let state: ConnectionState =
            switch connection.phase {
            case .vacant, .dialling: .dialling
            case .draining: .draining
            case .open:
                connection.isSuspect ? .suspect : connection.exchanges == 0 ? .idle : .leased
            }
        let isIdle = connection.phase == .open && connection.exchanges == 0
        return PoolSnapshot.ConnectionEntry(
            id: id(slot), route: route, state: state, exchanges: connection.exchanges,
            capacity: connection.capacity, age: .nanoseconds(now - connection.since),
            idleFor: isIdle ? .nanoseconds(now - connection.idleSince) : nil)
    }
}

extension PoolMachine: CustomStringConvertible {
    /// One line per route, in the order of their texts.
    package var description: String {
        routes.compactMap { entry(of: $0)?.description }.sorted().joined(separator: "\n")
    }
}
