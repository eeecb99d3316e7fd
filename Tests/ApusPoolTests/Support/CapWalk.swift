import ApusCore
import ApusPool

/// Drives a machine with caps by chance, and keeps its own list of connections and callers.
///
/// The rules: never more connections under a cap than it allows; no caller waits under a cap with a
/// free place or an idle connection; of callers under the same caps, the first dials first.
struct CapWalk {
    struct Connection {
        let route: Int
        var isDialling = true
        var isDraining = false
        var isSuspect = false
        var capacity = 0
        var exchanges = 0
    }

    struct Waiter {
        let id: WaiterID
        let route: Int
        let arrival: Int
        /// What it waited for after the last step.
        var cause: WaitCause?
    }

    var pool: PoolMachine
    var random: WalkRandom
    var now = Deadline(nanoseconds: 0)
    var last = ""
    private(set) var violation: String?
    private(set) var connections: [ConnectionID: Connection] = [:]
    /// In the order of their arrival.
    private(set) var waiters: [Waiter] = []
    /// How often a caller waited under a cap, by its cause.
    private(set) var waits: [WaitCause: Int] = [:]
    private let routes: [Route]
    private let caps: [[CapLimits.Entry]]
    private var arrivals = 0
    /// Routes with a dial that started in the last step.
    private var dialled: Set<Int> = []
    /// The route of the dial that the last step answered.
    private var answered: Int?
    /// Routes with a connection that the last step closed.
    private var closed: Set<Int> = []
    private let hasRouteLimit: Bool

    init(_ tuning: EngineTuning.Pool, _ routes: [Route], seed: UInt64) {
        pool = PoolMachine(tuning, http2: EngineTuning.HTTP2(), seed: 0)
        random = WalkRandom(state: seed)
        hasRouteLimit = tuning.maxConnectionsPerHost != nil
        self.routes = routes
        let limits = CapLimits(tuning)
        caps = routes.map { limits.entries(of: $0) }
    }

    mutating func require(_ isTrue: Bool, _ message: @autoclosure () -> String) {
        if !isTrue, violation == nil { violation = message() }
    }

    // MARK: Steps

    mutating func step() {
        now = now.advanced(by: .milliseconds(Int.random(in: 0...20, using: &random)))
        dialled = []
        answered = nil
        closed = []
        let isBusy = waiters.count > 40
        switch Int.random(in: isBusy ? 40..<100 : 0..<100, using: &random) {
        case ..<40: lease()
        case ..<66: release()
        case ..<82: answerDial()
        case ..<86: cancel()
        case ..<89: drain()
        case ..<92: lose()
        case ..<94: changeCapacity()
        case ..<96: suspect()
        case ..<98: tick()
        default: whole()
        }
        check()
    }

    private mutating func apply(_ actions: PoolActions) {
        for close in actions.close {
            if let connection = connections.removeValue(forKey: close.connection) {
                closed.insert(connection.route)
            }
        }
        for dial in actions.dial {
            let index = routes.firstIndex(of: dial.route) ?? 0
            connections[dial.connection] = Connection(route: index)
            dialled.insert(index)
        }
        for grant in actions.grants {
            connections[grant.connection]?.exchanges += 1
            let index = waiters.firstIndex { $0.id == grant.waiter }
            require(index != nil, "granted to one who waits no more")
            guard let index else { continue }
            let route = waiters.remove(at: index).route
            require(connections[grant.connection]?.route == route, "granted across routes")
        }
        for failure in actions.failedWaiters { waiters.removeAll { $0.id == failure.waiter } }
    }

    private mutating func pick(_ matches: (Connection) -> Bool) -> ConnectionID? {
        connections.filter { matches($0.value) }.keys.sorted { $0.rawValue < $1.rawValue }
            .randomElement(using: &random)
    }

    private mutating func lease() {
        let route = Int.random(in: routes.indices, using: &random)
        let reuse: Reuse =
            switch Int.random(in: 0..<12, using: &random) {
            case 0: .fresh
            case 1: .oneShot
            default: .pooled
            }
        last = "lease \(route) \(reuse)"
        let (result, actions) = pool.lease(routes[route], reuse: reuse, now: now)
        arrivals += 1
        if case .wait(let id) = result {
            waiters.append(Waiter(id: id, route: route, arrival: arrivals))
        }
        apply(actions)
        if case .leased(let id, _) = result { connections[id]?.exchanges += 1 }
    }

    private mutating func release() {
        guard let id = pick({ $0.exchanges > 0 }) else { return }
        release(id)
    }

    private mutating func release(_ id: ConnectionID) {
        last = "release \(id)"
        connections[id]?.exchanges -= 1
        apply(pool.release(id, now: now))
    }

    private mutating func answerDial() {
        guard let id = pick(\.isDialling) else { return }
        answered = connections[id]?.route
        guard Int.random(in: 0..<5, using: &random) > 0 else {
            last = "dialFailed \(id)"
            connections[id] = nil
            return apply(pool.dialFailed(id, now: now))
        }
        establish(id, capacity: [1, 3, 3, 3, 0].randomElement(using: &random) ?? 3)
    }

    private mutating func establish(_ id: ConnectionID, capacity: Int) {
        let isPlain = connections[id].map { routes[$0.route].origin.scheme == .http } ?? true
        let capacity = isPlain ? 1 : capacity
        last = "established \(id) \(capacity)"
        connections[id]?.isDialling = false
        connections[id]?.capacity = capacity
        apply(
            pool.connectionEstablished(
                id, capacity: capacity, isShared: !isPlain && capacity != 1, now: now))
    }

    private mutating func cancel() {
        guard let index = waiters.indices.randomElement(using: &random) else { return }
        let id = waiters.remove(at: index).id
        last = "cancel \(id)"
        let actions = pool.cancelWaiter(id, now: now)
        require(actions != nil, "forgot a waiter before its cancel")
        if let actions { apply(actions) }
    }

    private mutating func drain() {
        guard let id = pick({ !$0.isDialling && !$0.isDraining }) else { return }
        last = "drain \(id)"
        connections[id]?.isDraining = true
        apply(pool.drain(id, reason: .goAway, now: now))
    }

    private mutating func lose() {
        guard let id = pick({ !$0.isDialling }) else { return }
        last = "closed \(id)"
        connections[id] = nil
        apply(pool.connectionClosed(id, reason: .peerClosed, now: now))
    }

    private mutating func changeCapacity() {
        guard let id = pick({ !$0.isDialling && !$0.isDraining && $0.capacity != 1 }) else {
            return
        }
        let capacity = [0, 2, 3, 4].randomElement(using: &random) ?? 2
        last = "capacity \(id) \(capacity)"
        connections[id]?.capacity = capacity
        apply(pool.capacityChanged(id, to: capacity, now: now))
    }

    private mutating func suspect() {
        guard let id = pick({ !$0.isDialling && !$0.isDraining }),
            let isSuspect = connections[id].map({ !$0.isSuspect })
        else { return }
        last = "suspect \(id) \(isSuspect)"
        connections[id]?.isSuspect = isSuspect
        apply(
            isSuspect
                ? pool.connectionSuspected(id, now: now) : pool.connectionTrusted(id, now: now))
    }

    private mutating func tick() {
        last = "deadline"
        apply(pool.deadlineReached(now: now))
    }

    private mutating func whole() {
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            last = "evict one"
            apply(pool.closeIdle(.evicted, most: 1, now: now))
        case 1:
            let route = Int.random(in: routes.indices, using: &random)
            last = "drain \(route)"
            for (id, connection) in connections
            where connection.route == route && !connection.isDialling {
                connections[id]?.isDraining = true
            }
            apply(pool.drainAll(of: [routes[route]], reason: .retired, now: now))
        default:
            let route = Int.random(in: routes.indices, using: &random)
            last = "prewarm \(route)"
            let before = waiters.map(\.id)
            apply(pool.prewarm(routes[route], connections: 2, now: now))
            require(before == waiters.map(\.id), "prewarming served a caller")
            dialled = []
        }
    }

    // MARK: Ends

    /// Every dial succeeds, every exchange ends: every caller is served, and none fails.
    mutating func serveAll() {
        for _ in 0..<2000 where !waiters.isEmpty && violation == nil {
            now = now.advanced(by: .milliseconds(20))
            dialled = []
            for id in connections.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
                if connections[id]?.isSuspect == true {
                    connections[id]?.isSuspect = false
                    apply(pool.connectionTrusted(id, now: now))
                }
                guard let connection = connections[id], !connection.isDraining else { continue }
                if connection.isDialling {
                    establish(id, capacity: 3)
                } else if connection.capacity == 0 {
                    connections[id]?.capacity = 3
                    apply(pool.capacityChanged(id, to: 3, now: now))
                }
            }
            while let id = pick({ $0.exchanges > 0 }) { release(id) }
            tick()
            dialled = []
            check()
        }
        require(waiters.isEmpty, "let a caller wait for ever")
    }

    mutating func shutDown() {
        last = "shutDown"
        apply(pool.shutDown(now: now))
        require(waiters.isEmpty, "kept a caller")
        while let id = pick({ $0.exchanges > 0 }) { release(id) }
        require(pool.counts == PoolCounts(), "kept a connection")
        require(pool.snapshot(now: now).caps.isEmpty, "kept a cap")
    }
}

// MARK: - The rules

extension CapWalk {
    mutating func check() {
        require(pool.counts.connections == connections.count, "counts another number")
        require(pool.counts.waiting == waiters.count, "has another number of callers")
        checkCounts()
        let before = Dictionary(uniqueKeysWithValues: waiters.map { ($0.id, $0.cause) })
        for index in waiters.indices {
            waiters[index].cause = pool.waitCause(of: waiters[index].id)
        }
        for waiter in waiters { checkWait(waiter) }
        checkOrder(before)
    }

    private mutating func checkCounts() {
        var counts: [CapKey: Int] = [:]
        for connection in connections.values {
            for cap in caps[connection.route] {
                counts[cap.key, default: 0] += 1
                require(
                    counts[cap.key, default: 0] <= cap.limit, "has too many under \(cap.key)")
            }
        }
        for cap in pool.snapshot(now: now).caps {
            require(cap.connections == counts[cap.key] ?? 0, "miscounts \(cap.key)")
        }
    }

    private mutating func checkWait(_ waiter: Waiter) {
        guard let cause = waiter.cause else { return require(false, "knows no cause") }
        let own = caps[waiter.route].filter { $0.key.cause == cause }
        let isCapped = [.connectionsPerEngine, .connectionsPerOrigin, .connectionsPerProxy]
            .contains(cause)
        guard isCapped else {
            // A caller that wants its own connection may have one whose peer allows nothing yet.
            let isComing = connections.values.contains {
                $0.route == waiter.route && ($0.isDialling || $0.capacity == 0 || $0.isSuspect)
            }
            return require(cause != .dial || isComing, "waits for a dial that is not there")
        }
        waits[cause, default: 0] += 1
        let isBlocked = own.contains { cap in
            let under = connections.values.filter { connection in
                caps[connection.route].contains { $0.key == cap.key }
            }
            let idle = under.contains {
                !$0.isDialling && !$0.isDraining && $0.exchanges == 0 && !$0.isSuspect
                    && $0.capacity > 0
            }
            return under.count >= cap.limit && !idle
        }
        require(isBlocked, "\(waiter.id) waits for \(cause.rawValue) beside a place")
    }

    /// Of callers under the same caps, the one who came first has a dial first.
    private mutating func checkOrder(_ before: [WaiterID: WaitCause?]) {
        let capped: Set<WaitCause> = [
            .connectionsPerEngine, .connectionsPerOrigin, .connectionsPerProxy,
        ]
        // The caller of a dial that gave a connection of no use may have a second one.
        for route in dialled where route != answered {
            // At its own limit a route closes a connection for a dial, and takes no place by it.
            if hasRouteLimit, closed.contains(route) { continue }
            // Where one dial may serve all callers of a route, it is made for the oldest of them,
            // who may have shared another one before.
            let isShared = routes[route].origin.scheme == .https
            let served = waiters.first {
                $0.route == route && $0.cause == .dial
                    && (isShared || (before[$0.id] ?? nil) != .dial)
            }
            guard let served else { continue }
            let keys = caps[route].map(\.key)
            let passed = waiters.first {
                $0.arrival < served.arrival && $0.route != route
                    && $0.cause.map(capped.contains) == true
                    && caps[$0.route].map(\.key) == keys
            }
            let name = passed.map { "\($0.id)" } ?? ""
            require(passed == nil, "\(served.id) has a dial before \(name)")
        }
    }
}
