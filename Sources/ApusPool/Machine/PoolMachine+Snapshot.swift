package import ApusCore

/// Everything that the pool holds; made on request and never used to decide.
package struct PoolSnapshot: Sendable {
    /// One route.
    package struct RouteEntry: Sendable, CustomStringConvertible {
        package let route: Route
        package let leased: Int
        package let idle: Int
        package let dialling: Int
        package let waiting: Int
        /// What the waiters wait for; `nil` when there are none.
        package let waitingFor: WaitCause?
        /// How long a connection may be idle by what was learned of its peer; `nil` when nothing
        /// was.
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

    /// A cap over routes that is in use.
    package struct CapEntry: Sendable, Hashable {
        package let key: CapKey
        /// Connections in every state, dials included.
        package let connections: Int
        package let limit: Int
        /// Callers who wait for a place under it, and for no dial.
        package let waiting: Int
    }

    package let counts: PoolCounts
    package let counters: PoolCounters
    package let caps: [CapEntry]
    package let routes: [RouteEntry]
    package let connections: [ConnectionEntry]
}

extension PoolMachine {
    /// When `deadlineReached` is to be called; sometimes too early, never too late.
    ///
    /// Any step may bring it forward.
    ///
    /// Changes nothing; mutating, so that asking for it copies no machine.
    package var nextDeadline: Deadline? {
        mutating get {
            let never = Int64.never
            let first = min(timers.first ?? never, backoffs.first ?? never, hedges.first ?? never)
            return first == never ? nil : Deadline(nanoseconds: first)
        }
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
            counts: counts, counters: counters, caps: capEntries,
            routes: routes.indices.compactMap(entry(ofRoute:)),
            connections: slots.indices.compactMap { entry(of: $0, now.nanoseconds) })
    }

    private var capEntries: [PoolSnapshot.CapEntry] {
        var waiting: [Int: Int] = [:]
        for route in routes.indices where caps.waitingRoutes > 0 && !routes[route].isEmpty {
            guard let cap = caps.cap(of: route) else { continue }
            waiting[cap, default: 0] += waitingUnderCap(route)
        }
        return caps.entries.map {
            PoolSnapshot.CapEntry(
                key: $0.key, connections: $0.connections, limit: $0.limit,
                waiting: waiting[$0.cap] ?? 0)
        }
    }

    /// One line for a route; `nil` when the pool holds nothing of it.
    package func description(of route: Route) -> String? {
        routeIndices[route].flatMap { entry(ofRoute: $0)?.description }
    }

    private func entry(ofRoute index: Int) -> PoolSnapshot.RouteEntry? {
        let state = routes[index]
        guard let route = state.route else { return nil }
        return PoolSnapshot.RouteEntry(
            route: route, leased: state.connections - state.dials - state.idle.count,
            idle: state.idle.count, dialling: state.dials, waiting: state.queue.count,
            waitingFor: waitCause(ofRoute: index),
            learnedIdle: state.learnedIdleLimit == Int64.never
                ? nil : .nanoseconds(state.learnedIdleLimit))
    }

    /// Whether the pool holds anything of the route.
    package func holds(_ route: Route) -> Bool { routeIndices[route] != nil }

    /// The dial that a caller waits for; `nil` when it waits for something else, or no longer.
    package func dial(for id: WaiterID) -> WaitClock.Dial? {
        guard waitCause(of: id) == .dial, let waiter = waiters.find(id) else { return nil }
        let route = routes[waiters[waiter].route]
        // Those without a dial of their own share that of the oldest.
        let dial = waiters[waiter].dial
        guard dial != nil || route.sharedDials > 0 else { return nil }
        guard let dial = dial ?? route.queue.pooled.head.flatMap({ waiters[$0].dial }) else {
            return WaitClock.Dial(began: nil)
        }
        return WaitClock.Dial(began: Deadline(nanoseconds: since(dial)))
    }

    /// What keeps a caller waiting; `nil` when nothing does.
    package func waitCause(of id: WaiterID) -> WaitCause? {
        guard let waiter = waiters.find(id) else { return nil }
        guard waiters[waiter].dial == nil else { return .dial }
        let route = waiters[waiter].route
        let state = routes[route]
        let isShared = waiters[waiter].reuse == .pooled && !state.wantsDial(limits, .min)
        if isShared, caps.cap(of: route) != nil {
            // Only callers of the route who want a connection of their own wait for a place.
            return causeOfSharing(state)
        }
        return waitCause(ofRoute: route)
    }

    private func waitCause(ofRoute index: Int) -> WaitCause? {
        let state = routes[index]
        guard state.queue.count > 0 else { return nil }
        guard state.queued > 0 else { return .dial }
        if state.pause.end != nil, state.dials == 0 { return .backoff }
        if state.connections >= limits.connectionsPerHost { return .connectionsPerHost }
        if state.dials >= limits.dialsPerHost(state) { return .dialsPerHost }
        if let cap = caps.cap(of: index), waitingUnderCap(index) > 0 {
            return caps.cause(of: cap)
        }
        return causeOfSharing(state)
    }

    /// What callers wait for who need no dial of their own.
    private func causeOfSharing(_ state: RouteState) -> WaitCause {
        // The peer's first report of its limit is as good as the end of a dial.
        state.sharedDials + state.unreported > 0 ? .dial : .sharedConnectionsPerHost
    }

    /// The callers of a route that dials would start for, were there a place under its caps.
    private func waitingUnderCap(_ index: Int) -> Int {
        let state = routes[index]
        guard state.nextToDial(waiters, limits, .min) != nil else { return 0 }
        let own = state.queue.own.count
        return state.wantsDial(limits, .min) ? state.queue.undialled : own
    }

    /// When a dial began, or, once it is over, when the connection was established.
    private func since(_ slot: Int) -> Int64 {
        slots[slot].dial?.began ?? times[slot].establishedAt
    }

    private func entry(of slot: Int, _ now: Int64) -> PoolSnapshot.ConnectionEntry? {
        let state: ConnectionState
        var idleFor: Duration?
        switch slots[slot] {
        case .vacant: return nil
        case .dialling: state = .dialling
        case .draining: state = .draining
        case .open(let open):
            state = open.isSuspect ? .suspect : open.exchanges == 0 ? .idle : .leased
            if open.exchanges == 0 { idleFor = .nanoseconds(now - times[slot].idleSince) }
        }
        guard let route = routes[slots[slot].route].route else { return nil }
        return PoolSnapshot.ConnectionEntry(
            id: id(slot), route: route, state: state, exchanges: slots[slot].exchanges,
            capacity: slots[slot].connection?.capacity ?? 0,
            age: .nanoseconds(now - since(slot)), idleFor: idleFor)
    }
}

extension PoolMachine: CustomStringConvertible {
    /// One line per route, in the order of their texts.
    package var description: String {
        routes.indices.compactMap { entry(ofRoute: $0)?.description }.sorted()
            .joined(separator: "\n")
    }
}
