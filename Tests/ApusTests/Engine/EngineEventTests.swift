import Apus
import Loopback
import Testing

/// An observer hears each exchange's whole story, in order.
@Suite(.timeLimit(.minutes(5))) struct EngineEventTests {
    /// R25: an exchange begins before its dial.
    @Test(arguments: ProtocolVariant.allCases)
    func aFirstRequestAndItsReuse(_ variant: ProtocolVariant) async throws {
        try await withObservedStand(variant) { stand, engine, chronicle in
            let client = ExecutorClient(engine, versions: variant.versions)
            _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            let dial =
                ["dialling", "resolved", "connected"] + (variant.isTLS ? ["secured"] : []) + [
                    "opened"
                ]
            try await eventually("the end is reported") { chronicle.words.last == "completed" }
            #expect(
                chronicle.words
                    == ["begun GET", "queued for a dial"] + dial + [
                        "started", "status 200", "completed",
                    ])
            let response = try await client.send(.get(stand.url("/")))
            _ = try await response.body.collect(upTo: 100)
            try await eventually("the end is reported") {
                chronicle.words(ofExchange: 2).last == "completed"
            }
            #expect(
                chronicle.words(ofExchange: 2)
                    == ["begun GET", "started, reused", "status 200", "completed"])
            #expect(response.info.exchangeID == 2)
            #expect(response.info.queuedFor == nil)
            await engine.shutdown()
            #expect(chronicle.words(ofConnection: 0) == dial + ["closed: shutdown"])
            #expect(chronicle.words.first == "begun GET")
            #expect(chronicle.words.last == "shutdown finished, 0 cut")
        }
    }

    @Test func aStaleConnectionIsReplayed() async throws {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        let peer = try ScriptedPeer([
            [.expectHead, .sendText(answer), .expectHead, .close],
            [.expectHead, .sendText(answer), .readUntilEnd],
        ])
        defer { peer.stop() }
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        let url = "http://127.0.0.1:\(peer.port)/"
        for replays in 0...1 {
            let response = try await engine.send(.get(url))
            _ = try await response.body.collect(upTo: 100)
            #expect(response.info.replays == replays)
        }
        try await eventually("the end is reported") {
            chronicle.words(ofExchange: 2).last == "completed"
        }
        #expect(
            chronicle.words(ofExchange: 2) == [
                "begun GET", "started, reused", "replayed: truncated", "queued for a dial",
                "started", "status 200", "completed",
            ])
        #expect(
            chronicle.words(ofConnection: 0) == [
                "dialling", "resolved", "connected", "opened", "closed: staleReuse",
            ])
        #expect(engine.snapshot().counters.replays == 1)
        #expect(engine.snapshot().counters.closes(.staleReuse) == 1)
        let summary = chronicle.events.compactMap { event in
            if case .exchangeCompleted(let summary) = event { summary } else { nil }
        }.last
        #expect(summary?.replays == 1)
        #expect(summary?.bytesReceived == 2)
        #expect(summary?.status == 200)
        await engine.shutdown()
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aCancelledRequest(_ variant: ProtocolVariant) async throws {
        try await withObservedStand(variant) { stand, engine, chronicle in
            let client = ExecutorClient(engine, versions: variant.versions)
            let task = Task { try await client.send(.get(stand.url("/hang"))) }
            try await eventually("the request is at the origin") {
                stand.server.counters.currentRequests == 1
            }
            task.cancel()
            _ = await transportError { _ = try await task.value }
            try await eventually("the end is reported") {
                chronicle.words(ofExchange: 1).last == "cancelled"
            }
            #expect(
                chronicle.words(ofExchange: 1)
                    == ["begun GET", "queued for a dial", "started", "cancelled"])
            do {
                let dropped = try await client.send(.get(stand.url("/endless")))
                #expect(dropped.status == .ok)
            }
            try await eventually("a dropped response is reported as cancelled") {
                chronicle.words(ofExchange: 2).last == "cancelled"
            }
        }
    }

    @Test func aRequestThatFailsInTheDialAndOneInTheBody() async throws {
        try await withObservedStand(.http1) { stand, engine, chronicle in
            _ = await transportError { _ = try await engine.send(.get("http://127.0.0.1:1/")) }
            try await eventually("the end is reported") {
                chronicle.words(ofExchange: 1).last == "failed: connect"
            }
            #expect(chronicle.words(ofExchange: 1).last == "failed: connect")
            #expect(
                chronicle.words(ofConnection: 0)
                    == ["dialling", "resolved", "dial failed: connect"])
            let response = try await engine.send(.get(stand.url("/truncate/1000")))
            _ = await transportError { _ = try await response.body.collect(upTo: 1000) }
            try await eventually("the end is reported") {
                chronicle.words(ofExchange: 2).last == "failed: truncated"
            }
            #expect(
                chronicle.words(ofExchange: 2) == [
                    "begun GET", "queued for a dial", "started", "status 200", "failed: truncated",
                ])
        }
    }

    @Test(arguments: ["http", "socks5h"])
    func aProxiedRequest(_ kind: String) async throws {
        try await withObservedStand(.http1OverTLS) { stand, engine, chronicle in
            let http = try LoopbackConnectProxy()
            let socks = try LoopbackSOCKSProxy()
            defer {
                http.stop()
                socks.stop()
            }
            let port = kind == "http" ? http.port : socks.port
            let client = ExecutorClient(
                engine, proxy: try ProxySetting(parsing: "\(kind)://127.0.0.1:\(port)"))
            _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            #expect(
                chronicle.words(ofConnection: 0)
                    == ["dialling", "resolved", "connected", "tunnelled", "secured", "opened"])
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aDrainedEngine(_ variant: ProtocolVariant) async throws {
        try await withObservedStand(variant) { stand, engine, chronicle in
            let client = ExecutorClient(engine, versions: variant.versions)
            let response = try await client.send(
                .get(stand.url("/sse?n=50&size=100&pace_us=1000")))
            let shutdown = Task { await engine.shutdown(drain: .seconds(30)) }
            for try await _ in response.body {}
            _ = await shutdown.value
            #expect(chronicle.words(ofExchange: 1).last == "completed")
            #expect(chronicle.words(ofConnection: 0).last == "closed: shutdown")
            #expect(chronicle.words.contains("shutdown started"))
            #expect(chronicle.words.last == "shutdown finished, 0 cut")
        }
    }

    @Test func theCauseOfAWaitIsReported() async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        try await withObservedStand(.http1, tuning) { stand, engine, chronicle in
            let blocker = Task { try await engine.send(.get(stand.url("/hang"))) }
            try await eventually("the request is at the origin") {
                stand.server.counters.currentRequests == 1
            }
            let second = Task { try await engine.send(.get(stand.url("/"))) }
            try await eventually("one waits") { engine.snapshot().waiting == 1 }
            blocker.cancel()
            let response = try await second.value
            #expect(response.info.queuedFor == .connectionsPerHost)
            #expect(chronicle.words(ofExchange: 2)[1] == "queued for connections per host")
        }
    }

    @Test func withoutAnObserverExchangesHaveNoNumber() async throws {
        try await withStand(.http1) { stand in
            let response = try await stand.get("/")
            #expect(response.info.exchangeID == nil)
            #expect(response.info.queuedFor == .dial)
        }
    }

    /// A stand whose origin is used through a second engine, which is observed.
    private func withObservedStand(
        _ variant: ProtocolVariant, _ tuning: EngineTuning = .executor,
        _ body: (Stand, TransportEngine, Chronicle) async throws -> Void
    ) async throws {
        try await withStand(variant) { stand in
            let chronicle = Chronicle()
            var tuning = tuning
            tuning.relaxBudgets()
            tuning.tls.roots = .file(FixturePaths.pem("ca"))
            let engine = try TransportEngine(tuning, observer: chronicle)
            do {
                try await body(stand, engine, chronicle)
            } catch {
                await engine.shutdown()
                throw error
            }
            await engine.shutdown()
        }
    }
}
