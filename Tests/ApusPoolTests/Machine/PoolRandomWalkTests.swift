import ApusCore
import ApusPool
import Glibc
import Testing

@Suite struct PoolRandomWalkTests {
    /// Tunings that meet different limits.
    enum Tuning: String, CaseIterable {
        case tight, unlimited, keepsNothing, fewDials, ageing, wearing, pausing, hedging

        var pool: EngineTuning.Pool {
            var pool = EngineTuning.Pool()
            pool.dialBackoff = nil
            pool.idleTimeout = .seconds(2)
            switch self {
            case .tight:
                pool.maxIdle = 5
                pool.maxIdlePerHost = 3
                pool.maxConnectionsPerHost = 4
                pool.maxWaitersPerHost = 6
            case .unlimited:
                pool.maxIdle = nil
                pool.maxIdlePerHost = nil
                pool.idleTimeout = nil
            case .keepsNothing:
                pool.maxIdle = 0
                pool.maxConnectionsPerHost = 6
            case .fewDials:
                pool.maxDialsPerHost = 2
                pool.maxIdle = 4
                pool.maxWaitersPerHost = 8
            case .ageing:
                pool.lifetime = .seconds(1)
                pool.maxConnectionsPerHost = 5
            case .wearing:
                pool.maxRequestsPerConnection = 3
                pool.maxConnectionsPerHost = 6
            case .pausing:
                pool.dialBackoff = .milliseconds(50)
                pool.maxDialBackoff = .milliseconds(150)
                pool.maxConnectionsPerHost = 4
                pool.maxWaitersPerHost = 8
            case .hedging:
                pool.hedgeDelay = .milliseconds(30)
                pool.dialBackoff = .milliseconds(20)
                pool.maxDialBackoff = .milliseconds(40)
            }
            return pool
        }

        var http2: EngineTuning.HTTP2 {
            var http2 = EngineTuning.HTTP2()
            http2.maxConnectionsPerHost = self == .unlimited || self == .hedging ? 8 : 2
            return http2
        }
    }

    #if DEBUG
        private static let usualSteps = 20_000
    #else
        private static let usualSteps = 200_000
    #endif
    /// `APUS_SOAK=1` walks 50 times as far.
    static let steps = getenv("APUS_SOAK") == nil ? usualSteps : 50 * usualSteps

    /// The last walk is a new one each time; a failure reports its seed.
    ///
    /// 2 and 5 once left a caller waiting beside a connection with room, which was kept for a
    /// caller that another place served. The fourth is one in which a peer repeats its limit after
    /// its route was found to be HTTP/1.1.
    @Test(
        arguments: Tuning.allCases,
        [0xA905, 2, 5, 16_698_140_194_836_749_512, UInt64.random(in: 1 ... .max)])
    func aRandomWalkBreaksNoRule(tuning: Tuning, seed: UInt64) throws {
        var walk = PoolWalk(tuning.pool, tuning.http2, seed: seed)
        for step in 0..<Self.steps {
            walk.step()
            if let violation = walk.model.violation {
                Issue.record("step \(step), \(walk.last): \(violation)\n\(walk.pool)")
                return
            }
        }
        // Once by the end of the pool, and once by peers that behave from here on.
        var other = walk
        other.serveAll()
        if let violation = other.model.violation {
            Issue.record("after the walk, \(other.last): \(violation)\n\(other.pool)")
        }
        walk.shutDown()
        #expect(walk.model.violation == nil)
        #expect(walk.pool.counts == PoolCounts())
        #expect(walk.pool.snapshot(now: walk.now).connections.isEmpty)
        #expect(walk.pool.counters.leases > Self.steps / 10)
        #expect(walk.pool.counters.grants > 100)
    }
}

/// Small, seeded and the same everywhere (xorshift64*).
struct WalkRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// Drives machine and model side by side with whatever chance brings.
struct PoolWalk {
    var pool: PoolMachine
    var model: PoolModel
    var random: WalkRandom
    var now = Deadline(nanoseconds: 0)
    var last = ""
    let routes = [
        Routes.route(.http, "route0"), Routes.route(.https, "route1"),
        Routes.route(.https, "route2"),
    ]

    init(_ tuning: EngineTuning.Pool, _ http2: EngineTuning.HTTP2, seed: UInt64) {
        pool = PoolMachine(tuning, http2: http2, seed: 0)
        model = PoolModel(tuning, http2, multiplexes: routes.map { $0.origin.scheme == .https })
        random = WalkRandom(state: seed)
    }

    mutating func step() {
        now = now.advanced(by: .milliseconds(Int.random(in: 0...20, using: &random)))
        model.now = now
        let claims = model.claims(pool)
        let isBusy = model.waiters.count + model.connections.count > 40
        switch Int.random(in: isBusy ? 30..<100 : 0..<100, using: &random) {
        case ..<38: lease()
        case ..<62: release()
        case ..<78: answerDial()
        case ..<83: cancel()
        case ..<86: drain()
        case ..<89: lose()
        case ..<92: changeCapacity()
        case ..<95: suspect()
        case ..<97: hint()
        case ..<99: tick()
        default: whole()
        }
        forgetRoutes()
        model.check(pool)
        model.checkOrder(claims, pool)
    }

    /// Every dial succeeds, every exchange ends, and every waiter is served, in time.
    mutating func serveAll() {
        let failed = pool.counters.failedWaits
        for _ in 0..<100 where !model.waiters.isEmpty && model.violation == nil {
            now = now.advanced(by: .milliseconds(20))
            model.now = now
            recover()
            for id in model.connections.filter(\.isDialling).map(\.id) {
                if let index = model.index(of: id) { establish(index, capacity: 1) }
            }
            while model.connections.contains(where: { $0.exchanges > 0 }) {
                let claims = model.claims(pool)
                release()
                model.checkOrder(claims, pool)
            }
            tick()
            forgetRoutes()
            model.check(pool)
        }
        model.require(model.waiters.isEmpty, "let a caller wait for ever")
        model.require(pool.counters.failedWaits == failed, "failed a caller for nothing")
    }

    /// Suspects show life, and who allowed nothing allows something.
    private mutating func recover() {
        for id in model.connections.filter({ !$0.isDialling && !$0.isClosing }).map(\.id) {
            if let index = model.index(of: id),
                model.connections[index].capacity == 0 || model.connections[index].isUnheard
            {
                model.roomChanges(index) { ($0.capacity, $0.isUnheard) = (1, false) }
                model.multiplexes[model.connections[index].route] = true
                model.apply(pool.capacityChanged(id, to: 1, now: now))
            }
            if let index = model.index(of: id), model.connections[index].isSuspect {
                model.roomChanges(index) { $0.isSuspect = false }
                model.apply(pool.connectionTrusted(id, now: now))
            }
        }
    }

    mutating func shutDown() {
        last = "shutDown"
        model.apply(pool.shutDown(now: now))
        for index in model.connections.indices { model.connections[index].isClosing = true }
        while !model.connections.isEmpty, model.violation == nil { release() }
    }

    private mutating func pick(_ matches: (PoolModel.Connection) -> Bool) -> Int? {
        model.connections.indices.filter { matches(model.connections[$0]) }
            .randomElement(using: &random)
    }

    /// What a route was found to be is forgotten with its last connection and waiter.
    private mutating func forgetRoutes() {
        for route in routes.indices
        where !model.connections.contains(where: { $0.route == route })
            && !model.waiters.contains(where: { $0.route == route })
        {
            model.multiplexes[route] = routes[route].origin.scheme == .https
        }
    }

    private mutating func lease() {
        let route = Int.random(in: routes.indices, using: &random)
        let reuse: Reuse =
            switch Int.random(in: 0..<12, using: &random) {
            case 0: .fresh
            case 1: .oneShot
            default: .pooled
            }
        let isPatient = Bool.random(using: &random)
        last = "lease \(route) \(reuse) \(isPatient)"
        let (result, actions) = pool.lease(
            routes[route], reuse: reuse, isPatient: isPatient, now: now)
        model.apply(actions)
        switch result {
        case .leased(let connection, let isReused):
            model.require(reuse == .pooled, "leased at once to one who wants its own")
            model.leased(connection, isReused: isReused, route: route)
        case .wait(let waiter):
            model.order += 1
            model.waiters.append(
                .init(
                    id: waiter, route: route, reuse: reuse, isPatient: isPatient,
                    arrival: model.order))
        case .refused(.dialFailed): model.checkTurnedAway(route, isPatient: isPatient)
        case .refused(let why):
            model.require(why == .tooManyWaiters, "refused without reason")
            let queued = model.waiters.count { $0.route == route }
            model.require(queued >= model.tuning.maxWaitersPerHost, "refused too early")
        }
    }

    private mutating func release() {
        guard let index = pick({ $0.exchanges > 0 }) else { return }
        let id = model.connections[index].id
        last = "release \(id)"
        model.connections[index].exchanges -= 1
        model.becomesIdle(index)
        model.apply(pool.release(id, now: now))
    }

    private mutating func answerDial() {
        guard let index = pick(\.isDialling) else { return }
        let connection = model.connections[index]
        guard Int.random(in: 0..<5, using: &random) > 0 else {
            last = "dialFailed \(connection.id)"
            model.connections.remove(at: index)
            model.dialHasFailed(connection)
            let actions = pool.dialFailed(connection.id, now: now)
            model.check(failed: Set(actions.failedWaiters.map(\.waiter)), with: connection)
            return model.apply(actions)
        }
        let isPlain = connection.route == 0
        let capacity = isPlain ? 1 : [1, 5, 5, 5, 5, 5, 5, 0].randomElement(using: &random) ?? 5
        let isUnheard = !isPlain && Int.random(in: 0..<3, using: &random) == 0
        establish(index, capacity: isUnheard ? 1 : capacity, isUnheard: isUnheard)
    }

    private mutating func establish(_ index: Int, capacity: Int, isUnheard: Bool = false) {
        let connection = model.connections[index]
        last = "established \(connection.id) \(capacity)"
        model.connections[index].isDialling = false
        model.connections[index].capacity = capacity
        let isShared = capacity != 1 || isUnheard
        model.connections[index].isMultiplexed = isShared
        model.connections[index].isUnheard = isUnheard
        model.connections[index].established = now
        model.connections[index].establishedOrder = model.order
        model.connections[index].idleLimit = model.tuning.idleTimeout
        model.multiplexes[connection.route] = isShared
        model.pauses[connection.route] = nil
        model.successes[connection.route] = now
        model.becomesIdle(index)
        let actions = pool.connectionEstablished(
            connection.id, capacity: capacity, isShared: isShared, isReported: !isUnheard,
            now: now)
        model.apply(actions, established: connection.id)
    }

    private mutating func cancel() {
        guard let index = model.waiters.indices.randomElement(using: &random) else { return }
        let waiter = model.waiters.remove(at: index).id
        last = "cancel \(waiter)"
        guard let actions = pool.cancelWaiter(waiter, now: now) else {
            return model.require(false, "forgot a waiter before its cancel")
        }
        model.apply(actions)
        model.require(pool.cancelWaiter(waiter, now: now) == nil, "cancelled one waiter twice")
    }

    private mutating func drain() {
        guard let index = pick({ !$0.isDialling && !$0.isClosing }) else { return }
        let id = model.connections[index].id
        last = "drain \(id)"
        model.connections[index].isClosing = true
        model.apply(pool.drain(id, reason: .goAway, now: now))
    }

    private mutating func lose() {
        guard let index = pick({ !$0.isDialling }) else { return }
        let connection = model.connections.remove(at: index)
        var reasons: [CloseReason] = [.peerClosed, .transportError]
        // The peer had ended it before the request was there.
        if connection.exchanges > 0, connection.carried > 1 { reasons += [.staleReuse] }
        let reason = reasons.randomElement(using: &random) ?? .peerClosed
        last = "closed \(connection.id) \(reason)"
        model.apply(pool.connectionClosed(connection.id, reason: reason, now: now))
    }

    private mutating func changeCapacity() {
        guard let index = pick(\.isMultiplexed) else { return }
        let id = model.connections[index].id
        let capacity = Int.random(in: 0...6, using: &random)
        last = "capacity \(id) \(capacity)"
        // What a peer repeats teaches nothing.
        let before = model.connections[index]
        if !before.isClosing, before.capacity != capacity || before.isUnheard {
            model.roomChanges(index) { ($0.capacity, $0.isUnheard) = (capacity, false) }
            model.multiplexes[model.connections[index].route] = true
        }
        model.apply(pool.capacityChanged(id, to: capacity, now: now))
    }

    private mutating func suspect() {
        guard let index = pick({ !$0.isDialling && !$0.isClosing }) else { return }
        let id = model.connections[index].id
        let isSuspect = !model.connections[index].isSuspect
        last = "suspect \(id) \(isSuspect)"
        model.roomChanges(index) { $0.isSuspect = isSuspect }
        model.apply(
            isSuspect
                ? pool.connectionSuspected(id, now: now) : pool.connectionTrusted(id, now: now))
    }

    private mutating func hint() {
        guard let index = pick({ !$0.isDialling && !$0.isClosing }) else { return }
        let hint = Duration.milliseconds(Int.random(in: 1...3000, using: &random))
        let id = model.connections[index].id
        last = "hint \(id)"
        model.connections[index].idleLimit = min(hint, model.tuning.idleTimeout ?? hint)
        pool.idleTimeHinted(id, hint)
    }

    /// A step of the user's over all, or over a route.
    private mutating func whole() {
        let route = Int.random(in: routes.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            last = "evict one"
            model.apply(pool.closeIdle(.evicted, most: 1, now: now))
        case 1:
            last = "evict all"
            model.apply(pool.closeIdle(.evicted, most: .max, now: now))
            model.require(!model.connections.contains(where: \.isIdle), "left one idle")
        case 2:
            last = "drain \(route)"
            model.pauses[route] = nil
            for index in model.connections.indices
            where model.connections[index].route == route && !model.connections[index].isDialling {
                model.connections[index].isClosing = true
            }
            model.apply(pool.drainAll(of: [routes[route]], reason: .evicted, now: now))
        default:
            let count = Int.random(in: 1...6, using: &random)
            last = "prewarm \(route) \(count)"
            let before = model.connections.count { $0.route == route }
            let actions = pool.prewarm(routes[route], connections: count, now: now)
            model.require(
                actions.dial.isEmpty || before + actions.dial.count <= count, "warmed too many")
            model.apply(actions)
        }
    }

    private mutating func tick() {
        last = "deadline"
        let actions = pool.deadlineReached(now: now)
        for close in actions.close {
            model.require(
                [.idleTimeout, .lifetime, .evicted, .cancelled].contains(close.reason),
                "closed for nothing")
        }
        model.endPauses()
        model.apply(actions)
        model.checkExpired()
        model.checkHedges()
        if let next = pool.nextDeadline { model.require(next > now, "kept a past deadline") }
    }
}
