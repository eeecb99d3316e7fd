import Apus
import LoopFixtures
import Loopback
import Testing

/// Caps on connections over routes: exact at the peer, with a queue over all routes.
@Suite(.timeLimit(.minutes(5))) struct ConnectionCapTests {
    private static let variants: [ProtocolVariant] = [.http1, .http1OverTLS, .http2OverTLS]

    private func client(
        of engine: TransportEngine, _ variant: ProtocolVariant, scope: String,
        proxy: ProxySetting = .direct
    ) -> ExecutorClient {
        ExecutorClient(
            engine, proxy: proxy, isolation: IsolationScope(scope), versions: variant.versions)
    }

    /// Gets a page to its end.
    private func succeed(
        _ client: ExecutorClient, _ url: String, options: RequestOptions = .init()
    ) async throws {
        let status = try await fetch(client, url, options: options)
        #expect(status == 200)
    }

    /// A tuning for tests that make their engine themselves.
    private func tuning(_ change: (inout EngineTuning.Pool) -> Void) -> EngineTuning {
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        change(&tuning.pool)
        return tuning
    }

    // MARK: Exactness

    @Test("200 scopes over one origin with 8 connections, in order of arrival", arguments: variants)
    func scopesOverOneOrigin(_ variant: ProtocolVariant) async throws {
        let (scopes, cap) = (200, 8)
        try await withStand(variant) {
            $0.watchesEstablished = true
        } _: { stand in
            let places = PlaceCount()
            let engine = try TransportEngine(
                tuning { $0.maxConnectionsPerOrigin = cap }, observer: places)
            // On the loop, so that events are recorded in order.
            let executor = engine.taskExecutor
            let holders = Shared<[Response]>([])
            for number in 0..<cap {
                let holder = client(of: engine, variant, scope: "holder \(number)")
                let response = try await holder.send(.get(stand.url("/head-then-hang")))
                holders.change { $0.append(response) }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for scope in 0..<scopes {
                    let own = client(of: engine, variant, scope: "\(scope)")
                    group.addTask(executorPreference: executor) {
                        try await succeed(own, stand.url("/bytes/64"))
                    }
                }
                try await eventually("all wait") { engine.snapshot().waiting == scopes }
                let entry = try #require(engine.snapshot().connectionCaps.first)
                #expect(entry.cause == .connectionsPerOrigin)
                #expect(entry.connections == cap && entry.limit == cap)
                #expect(entry.waiting == scopes)
                holders.value = []
                try await group.waitForAll()
            }
            #expect(stand.server.peakEstablished == cap)
            #expect(places.tally.peak == cap)
            #expect(places.tally.queued.count == cap + scopes)
            #expect(places.tally.dialled == places.tally.queued, "first come, first served")
            #expect(places.tally.causes[.connectionsPerOrigin] == scopes)
            #expect(engine.snapshot().counters.dials == cap + scopes)
            #expect(engine.snapshot().counters.closes(.evicted) >= scopes - cap)
            await engine.shutdown()
        }
    }

    @Test("one proxy carries 4 connections to six origins, whatever the credentials")
    func originsThroughOneProxy() async throws {
        let (cap, each) = (4, 8)
        var options = LoopbackConnectProxy.Options()
        options.watchesEstablished = true
        let proxy = try LoopbackConnectProxy(options)
        let origins = try (0..<6).map { _ in try secureOrigin() }
        let places = PlaceCount()
        let engine = try TransportEngine(
            tuning { $0.maxConnectionsPerProxy = cap }, observer: places)
        let settings = try (0..<2).map {
            try ProxySetting(parsing: "http://user:word\($0)@127.0.0.1:\(proxy.port)")
        }
        let holders = Shared<[Response]>([])
        for index in 0..<cap {
            let holder = client(of: engine, .http1, scope: "holder", proxy: settings[index % 2])
            let url = "https://localhost:\(origins[index].port)/head-then-hang"
            let response = try await holder.send(.get(url))
            holders.change { $0.append(response) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<origins.count * each {
                let own = client(
                    of: engine, [.http1OverTLS, .http2OverTLS][number % 2], scope: "\(number)",
                    proxy: settings[number % 2])
                let url = "https://localhost:\(origins[number % origins.count].port)/bytes/64"
                group.addTask {
                    try await succeed(own, url)
                }
            }
            let expected = origins.count * each
            try await eventually("all wait") { engine.snapshot().waiting == expected }
            // A direct connection has nothing to do with it.
            let direct = client(of: engine, .http1, scope: "direct")
            try await succeed(direct, "https://localhost:\(origins[0].port)/")
            holders.value = []
            try await group.waitForAll()
        }
        #expect(proxy.peakEstablished == cap)
        #expect(places.tally.peak == cap + 1, "and the direct one")
        #expect(places.tally.causes[.connectionsPerProxy] == origins.count * each)
        #expect(proxy.connectRequests.count == cap + origins.count * each)
        let entry = try #require(engine.snapshot().connectionCaps.first)
        #expect(entry.name == "http://127.0.0.1:\(proxy.port)")
        await engine.shutdown()
        proxy.stop()
        for origin in origins { origin.stop() }
    }

    @Test("the engine's cap holds on several loops, over origins, scopes and kinds of reuse")
    func theEnginesCap() async throws {
        let (cap, exchanges) = (4, isSanitized ? 200 : 1000)
        let origins = try [LoopbackServer(), LoopbackServer(), LoopbackServer()]
        let places = PlaceCount()
        var tuning = tuning { $0.maxConnections = cap }
        tuning.eventLoops = 3
        let engine = try TransportEngine(tuning, observer: places)
        let numbers = Shared(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<16 {
                group.addTask {
                    while case let number = numbers.take(), number < exchanges {
                        var options = RequestOptions()
                        options.reuse = [.pooled, .fresh, .oneShot, .pooled][worker % 4]
                        let own = client(of: engine, .http1, scope: "\(number % 5)")
                        let url = "http://127.0.0.1:\(origins[number % 3].port)/bytes/64"
                        try await succeed(own, url, options: options)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(places.tally.peak <= cap)
        #expect(engine.snapshot().connectionCaps.map(\.name) == ["engine"])
        await engine.shutdown()
        for origin in origins { origin.stop() }
    }

    // MARK: Waits

    /// An engine with one place for an origin, which a request in the scope "holder" holds.
    private func withHeldPlace(
        _ variant: ProtocolVariant,
        _ body: (Stand, _ holder: Shared<Response?>) async throws -> Void
    ) async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerOrigin = 1
        try await withStand(variant, tuning: tuning) { stand in
            let own = client(of: stand.engine, variant, scope: "holder")
            let holder = Shared<Response?>(nil)
            holder.value = try await own.send(.get(stand.url("/head-then-hang")))
            try await body(stand, holder)
            holder.value = nil
        }
    }

    @Test("a wait that times out names the cap", arguments: variants)
    func aWaitTimesOut(_ variant: ProtocolVariant) async throws {
        try await withHeldPlace(variant) { stand, holder in
            let other = client(of: stand.engine, variant, scope: "other")
            var options = RequestOptions()
            options.acquireTimeout = .milliseconds(20)
            var error = await dialError(other, stand.url("/"), options: options)
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .pool)
            #expect(
                error?.message
                    == "no connection became free within 20 ms (acquireTimeout); "
                    + "pool.maxConnectionsPerOrigin is reached")
            options.acquireTimeout = nil
            options.totalTimeout = .milliseconds(20)
            error = await dialError(other, stand.url("/"), options: options)
            #expect(
                error?.message
                    == "no connection became free: no end of the response within 20 ms "
                    + "(totalTimeout); pool.maxConnectionsPerOrigin is reached")
            #expect(stand.engine.snapshot().waiting == 0)
            #expect(stand.engine.snapshot().counters.dials == 1)
            #expect(holder.value != nil)
        }
    }

    @Test("a waiter that is cancelled leaves its turn to the next", arguments: variants)
    func aWaiterIsCancelled(_ variant: ProtocolVariant) async throws {
        try await withHeldPlace(variant) { stand, holder in
            let waiters = (0..<2).map { scope in
                let other = client(of: stand.engine, variant, scope: "\(scope)")
                return Task { try await other.send(.get(stand.url("/"))).info }
            }
            try await eventually("both wait") { stand.engine.snapshot().waiting == 2 }
            let snapshot = stand.engine.snapshot()
            #expect(snapshot.connectionCaps.map(\.waiting) == [2])
            #expect(
                snapshot.routes.count { $0.waitingFor == .connectionsPerOrigin } == 2,
                "\(snapshot)")
            waiters[0].cancel()
            let error = await transportError { _ = try await waiters[0].value }
            #expect(error?.isCancelled == true)
            holder.value = nil
            #expect(try await waiters[1].value.queuedFor == .connectionsPerOrigin)
            #expect(stand.engine.snapshot().counters.dials == 2)
        }
    }

    @Test("a shutdown fails those who wait for a place", arguments: variants)
    func aShutdownEndsTheWait(_ variant: ProtocolVariant) async throws {
        try await withHeldPlace(variant) { stand, holder in
            let other = client(of: stand.engine, variant, scope: "other")
            let waiter = Task { try await fetch(other, stand.url("/")) }
            try await eventually("it waits") { stand.engine.snapshot().waiting == 1 }
            await stand.engine.shutdown(drain: .zero)
            let error = await transportError { _ = try await waiter.value }
            #expect(error?.kind == .shutdown)
            #expect(stand.engine.snapshot().connectionCaps.isEmpty)
            #expect(holder.value != nil)
        }
    }

    @Test("a connection that drains keeps its place until its exchange ends", arguments: variants)
    func aDrainGivesThePlace(_ variant: ProtocolVariant) async throws {
        try await withHeldPlace(variant) { stand, holder in
            let other = client(of: stand.engine, variant, scope: "other")
            let waiter = Task { try await fetch(other, stand.url("/")) }
            try await eventually("it waits") { stand.engine.snapshot().waiting == 1 }
            stand.engine.drain { $0.isolation == "holder" }
            #expect(stand.engine.snapshot().connectionCaps.map(\.connections) == [1])
            #expect(stand.engine.snapshot().waiting == 1)
            holder.value = nil
            #expect(try await waiter.value == 200)
        }
    }

    @Test("requests of the route that has the connection use it while others wait for a place")
    func aSharedConnectionServesItsOwnRoute() async throws {
        try await withHeldPlace(.http2OverTLS) { stand, holder in
            let (own, other) = (
                client(of: stand.engine, .http2OverTLS, scope: "holder"),
                client(of: stand.engine, .http2OverTLS, scope: "other")
            )
            let waiter = Task { try await fetch(other, stand.url("/")) }
            try await eventually("it waits") { stand.engine.snapshot().waiting == 1 }
            for _ in 0..<3 { try await succeed(own, stand.url("/")) }
            #expect(stand.engine.snapshot().counters.dials == 1)
            #expect(stand.engine.snapshot().waiting == 1)
            holder.value = nil
            #expect(try await waiter.value == 200)
            #expect(stand.engine.snapshot().counters.dials == 2)
        }
    }

    @Test("a dial that fails gives its place to the next")
    func aDialThatFails() async throws {
        let refusing = try RefusingPort()
        try await withEngine(tuning { $0.maxConnections = 1 }) { engine in
            let server = try LoopbackServer()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    let isRefused = number % 2 == 0
                    let port = isRefused ? refusing.port : server.port
                    let own = client(of: engine, .http1, scope: "\(number)")
                    group.addTask {
                        let url = "http://127.0.0.1:\(port)/"
                        guard isRefused else {
                            try await succeed(own, url)
                            return
                        }
                        let error = await dialError(own, url)
                        #expect(error?.phase == .connect)
                    }
                }
                try await group.waitForAll()
            }
            #expect(engine.snapshot().counters.dials == 20)
            #expect(engine.snapshot().waiting == 0)
            engine.closeIdleConnections()
            server.stop()
        }
    }

    @Test("two routes in turn each wait no longer than one exchange of the other")
    func aBusyRouteStarvesNoOther() async throws {
        let server = try LoopbackServer()
        let places = PlaceCount()
        let engine = try TransportEngine(tuning { $0.maxConnections = 1 }, observer: places)
        let isOver = Shared(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let url = "http://127.0.0.1:\(server.port)/bytes/64"
            for _ in 0..<4 {
                group.addTask {
                    let busy = client(of: engine, .http1, scope: "busy")
                    while isOver.value == 0 { try await succeed(busy, url) }
                }
            }
            group.addTask {
                defer { isOver.change { $0 = 1 } }
                let other = client(of: engine, .http1, scope: "other")
                for _ in 0..<20 { try await succeed(other, url) }
            }
            try await group.waitForAll()
        }
        #expect(places.tally.peak == 1)
        await engine.shutdown()
        server.stop()
    }
}

/// Counts dials under way and open connections, and records who waited and dialled.
private final class PlaceCount: EngineObserver {
    struct Tally {
        var peak = 0
        /// The routes of requests that had to wait, in that order.
        var queued: [Route] = []
        /// The routes of dials, in the order of their starts.
        var dialled: [Route] = []
        var causes: [WaitCause: Int] = [:]
        fileprivate var open: Set<UInt64> = []
    }

    private let state = Guarded(Tally())

    var tally: Tally { state.withLock { $0 } }

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        state.withLock { tally in
            switch event {
            case .exchangeQueued(_, let route, let cause, _):
                tally.queued.append(route)
                tally.causes[cause, default: 0] += 1
            case .dialStarted(let id, let route):
                tally.dialled.append(route)
                tally.open.insert(id)
                tally.peak = max(tally.peak, tally.open.count)
            case .dialFailed(let id, _), .connectionClosed(let id, _, _, _):
                tally.open.remove(id)
            default: return
            }
        }
    }
}
