import Apus
import ApusDial
import ApusSocket
import LoopFixtures
import Loopback
import Testing

/// What is done with all connections of a route: warming up, giving up, following its addresses.
@Suite(.timeLimit(.minutes(5))) struct TransportEngineRoutesTests {
    @Test(arguments: ProtocolVariant.allCases)
    func aWarmConnectionServesTheFirstRequest(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let options = stand.client.options()
            #expect(options.versions == variant.versions)
            let dials = try stand.engine.prewarm(
                stand.url("/"), connections: 3, options: options)
            // A connection that may carry many is one at first.
            #expect(dials == (variant.isHTTP2 ? 1 : 3))
            try await eventually("they stand") { stand.engine.snapshot().idle == dials }
            #expect(stand.server.counters.requests == 0)
            let response = try await stand.get("/")
            #expect(response.info.queuedFor == nil, "it waited for nothing")
            #expect(!response.info.isReused)
            _ = try await response.body.collect(upTo: 100)
            // A connection is established before the server's thread for it has begun.
            try await eventually("all of them are accepted") {
                stand.server.counters.connectionsAccepted >= dials
            }
            #expect(stand.server.counters.connectionsAccepted == dials)
            // Warm enough already.
            let more = try stand.engine.prewarm(
                stand.url("/"), connections: 1, options: options)
            #expect(more == 0)
        }
    }

    /// How many dials were decided on when the first of them began.
    private final class FirstDial: EngineObserver {
        private let engine = Guarded<TransportEngine?>(nil)
        private let seen = Guarded<Int?>(nil)

        var dials: Int? { seen.withLock { $0 } }

        func watch(_ engine: TransportEngine?) {
            self.engine.withLock { $0 = engine }
        }

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            guard case .dialStarted = event, dials == nil else { return }
            let count = engine.withLock { $0 }?.snapshot().counters.dials
            seen.withLock { $0 = count }
        }
    }

    /// More than one step decides, and others have the lock between two; dials that fail meanwhile
    /// make no room for more than was asked.
    @Test func aLargePrewarmIsDecidedInSteps() async throws {
        let refusing = try RefusingPort()
        let first = FirstDial()
        var tuning = relaxedTuning
        tuning.pool.maxIdle = nil
        tuning.pool.maxIdlePerHost = nil
        tuning.pool.dialBackoff = nil
        let engine = try TransportEngine(tuning, observer: first)
        first.watch(engine)
        defer { first.watch(nil) }
        let url = "http://127.0.0.1:\(refusing.port)/"
        #expect(try engine.prewarm(url, connections: 300) == 300)
        #expect(first.dials.map { $0 < 300 } == true, "\(first.dials as Any) at once")
        #expect(try engine.prewarm(url, connections: -1) == 0)
        try await eventually("all have failed") { engine.snapshot().dialFailures == 300 }
        await engine.shutdown()
    }

    @Test func aBadURLAndADeadEngineWarmNothing() async throws {
        try await withStand(.http1) { stand in
            let error = await transportError { try stand.engine.prewarm("ftp://localhost/") }
            #expect(error?.phase == .request)
            await stand.engine.shutdown()
            let late = try stand.engine.prewarm(stand.url("/"))
            #expect(late == 0)
        }
    }

    @Test func aFailedDialIsReportedAndCounted() async throws {
        let refusing = try RefusingPort()
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        let dials = try engine.prewarm("http://127.0.0.1:\(refusing.port)/", connections: 2)
        #expect(dials == 2)
        try await eventually("both have failed") { engine.snapshot().dialFailures == 2 }
        #expect(chronicle.words.count { $0 == "dial failed: connect" } == 2)
        // The route is remembered for as long as its next dial is held back.
        try await eventually("the route is forgotten") { engine.snapshot().routes.isEmpty }
        await engine.shutdown()
    }

    @Test func theRouteOfARequestIsKnownBeforehand() throws {
        let engine = try TransportEngine(.executor)
        let client = ExecutorClient(
            engine, proxy: try ProxySetting(parsing: "http://user:word@proxy.test:3128"),
            isolation: "scope", versions: .http2Only)
        let route = try engine.route(to: "https://a.example/path?x", options: client.options())
        #expect(route.origin.host == "a.example")
        #expect(route.proxies.map(\.host) == ["proxy.test"])
        #expect(route.versions == .http2Only)
        #expect(route.isolation == "scope")
        #expect(route.tls == engine.tuning.tls)
        #expect(!"\(route)".contains("word"))
        var own = RequestOptions()
        own.proxy = .direct
        own.isolation = "other"
        let other = try engine.route(to: "https://a.example/", options: client.options(over: own))
        #expect(other.proxies.isEmpty)
        #expect(other.isolation == "other")
        #expect(other.versions == .http2Only)
    }

    @Test(arguments: ProtocolVariant.allCases)
    func drainingGivesUpTheMatchingRoutesAlone(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let scopes: [IsolationScope] = ["revoked", "kept"]
            for scope in scopes {
                let client = ExecutorClient(
                    stand.engine, isolation: scope, versions: variant.versions)
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            }
            let revoked = ExecutorClient(
                stand.engine, isolation: "revoked", versions: variant.versions)
            let open = try await revoked.send(.get(stand.url("/bytes/3000000")))
            stand.engine.drain { $0.isolation == "revoked" }
            let states = stand.engine.snapshot().connectionEntries.map(\.state)
            #expect(Set(states) == [.idle, .draining])
            // What it carries is finished, and closes it.
            #expect(try await checkPattern(open.body) == 3_000_000)
            try await eventually("it is closed") { stand.engine.snapshot().connections == 1 }
            #expect(stand.engine.snapshot().counters.closes(.retired) == 1)
            let next = try await revoked.send(.get(stand.url("/")))
            #expect(!next.info.isReused)
            #expect(next.info.connection.tls?.isResumed != true, "its sessions are forgotten")
            _ = try await next.body.collect(upTo: 100)
            #expect(stand.server.counters.connectionsAccepted == 3)
        }
    }

    @Test(arguments: [ProtocolVariant.http1OverTLS, .http2OverTLS])
    func drainingForgetsTheSessionsOfRoutesWithoutConnections(_ variant: ProtocolVariant)
        async throws
    {
        try await withStand(variant) { stand in
            for isResumed in [false, true, false] {
                let response = try await stand.get("/")
                _ = try await response.body.collect(upTo: 100)
                #expect(response.info.connection.tls?.isResumed == isResumed)
                stand.engine.closeIdleConnections()
                try await eventually("it is closed") { stand.engine.snapshot().routes.isEmpty }
                if isResumed { stand.engine.drain { _ in true } }
            }
        }
    }

    @Test("row 7: connections to addresses that a name no longer has are retired")
    func changedAddresses() async throws {
        let server = try LoopbackServer()
        let answers = Shared(["127.0.0.1"])
        let lookups = Shared(0)
        let resolver = StubResolver { _, port in
            lookups.change { $0 += 1 }
            return answers.value.compactMap { SocketAddress(literal: $0, port: port) }
        }
        var tuning = relaxedTuning
        tuning.dial.addressCheck = .milliseconds(20)
        try await withEngine(tuning, resolver: resolver, ports: [server.port]) { engine in
            let url = "http://moving.test:\(server.port)/"
            let literal = "http://127.0.0.1:\(server.port)/"
            _ = try await engine.send(.get(url)).body.collect(upTo: 100)
            _ = try await engine.send(.get(literal)).body.collect(upTo: 100)
            let busy = try await engine.send(.get("\(url)bytes/3000000"))
            // An answer that names it among others, or none at all, changes nothing.
            for answer in [["127.0.0.9", "127.0.0.1"], []] {
                answers.value = answer
                let before = lookups.value
                try await eventually("it was looked up twice") { lookups.value >= before + 2 }
                #expect(engine.snapshot().counters.closes.isEmpty)
            }
            answers.value = ["127.0.0.9"]
            try await eventually("it takes no more") {
                engine.snapshot().connectionEntries.contains { $0.state == .draining }
            }
            #expect(try await checkPattern(busy.body) == 3_000_000)
            try await eventually("it is closed") { engine.snapshot().connections == 1 }
            #expect(engine.snapshot().counters.closes == ["addressChanged": 1])
            #expect(engine.snapshot().routes.first?.route == String(literal.dropLast()))
        }
        server.stop()
    }

    @Test("row 7: a lookup that never ends does not keep the watch from the other names")
    func aLookupThatHangs() async throws {
        let server = try LoopbackServer()
        let gate = DialGate()
        let lookups = Shared<[String: Int]>([:])
        let resolver = StubResolver { host, port in
            lookups.change { $0[host, default: 0] += 1 }
            let isFirst = lookups.value[host] == 1
            if !isFirst, host == "hung.test" { await gate.wait() }
            let literal = isFirst ? "127.0.0.1" : "127.0.0.9"
            return [SocketAddress(literal: literal, port: port)].compactMap { $0 }
        }
        var tuning = relaxedTuning
        tuning.dial.addressCheck = .milliseconds(20)
        tuning.dial.resolveTimeout = .milliseconds(50)
        try await withEngine(tuning, resolver: resolver, ports: [server.port]) { engine in
            for host in ["hung.test", "moving.test"] {
                let response = try await engine.send(.get("http://\(host):\(server.port)/"))
                _ = try await response.body.collect(upTo: 100)
            }
            try await eventually("the other is retired") {
                engine.snapshot().counters.closes == ["addressChanged": 1]
            }
            try await eventually("it is asked for again") { lookups.value["hung.test"] ?? 0 > 3 }
            gate.open()
        }
        server.stop()
    }

    @Test func eachLoopHasItsTurnAtCallersTasks() async throws {
        var tuning = EngineTuning.executor
        tuning.eventLoops = 3
        let engine = try TransportEngine(tuning)
        let executors = (0..<6).map { _ in ObjectIdentifier(engine.taskExecutor) }
        #expect(Set(executors).count == 3)
        #expect(executors[..<3] == executors[3...])
        await engine.shutdown()
    }

    /// A request whose connection lives on the loop of its task never changes threads.
    @Test func aRequestPrefersAnIdleConnectionOfItsOwnLoop() async throws {
        var tuning = relaxedTuning
        tuning.eventLoops = 2
        try await withStand(.http1, tuning: tuning) { stand in
            // One on each loop: a dial that no loop asked for gets the next one.
            let options = stand.client.options()
            let dials = try stand.engine.prewarm(
                stand.url("/"), connections: 2, options: options)
            #expect(dials == 2)
            try await eventually("both are there") { stand.engine.snapshot().idle == 2 }
            let executors = [stand.engine.taskExecutor, stand.engine.taskExecutor]
            var found: [Set<UInt64>] = [[], []]
            for number in 0..<20 {
                let loop = number / 2 % 2
                found[loop].insert(
                    try await Task(executorPreference: executors[loop]) {
                        let response = try await stand.get("/")
                        _ = try await response.body.collect(upTo: 100)
                        return response.info.connectionID
                    }.value)
            }
            #expect(found[0].count == 1)
            #expect(found[1].count == 1)
            #expect(found[0] != found[1])
        }
    }
}
