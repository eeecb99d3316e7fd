import Apus
import Loopback
import Testing

/// The requirements by their numbers: who shares a connection, and what a failure spares.
extension RequirementTests {
    @Test("R11: three waves of eight requests need eight connections at most")
    func wavesReuseConnections() async throws {
        try await withStand(.http1) { stand in
            for _ in 0..<3 {
                var wave: [Response] = []
                for _ in 0..<8 { wave.append(try await stand.get("/bytes/1000000")) }
                for response in wave { _ = try await checkPattern(response.body) }
            }
            #expect(stand.server.counters.connectionsAccepted == 8)
        }
    }

    @Test(
        "R12: fresh clients, event streams and an inbound Connection: close keep one connection",
        arguments: [ProtocolVariant.http1OverTLS, .http2OverTLS])
    func hopByHopFieldsBelongToTheEngine(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let proxy = try LoopbackConnectProxy()
            let setting = "http://127.0.0.1:\(proxy.port)"
            for path in Array(repeating: "/headers", count: 8)
                + Array(repeating: "/sse?n=20", count: 6)
            {
                for fields in [[:], [.connection: "close"]] as [HTTPFields] {
                    let found = try ExecutorClient.resolve(
                        over: stand.engine, credentialProxy: setting, versions: variant.versions)
                    let client = found.client(otherwise: stand.engine)
                    let response = try await client.send(.get(stand.url(path), fields: fields))
                    let text = String(try await response.body.collect(upTo: 10_000))
                    #expect(path != "/headers" || text.contains("/headers"))
                    #expect(!text.lowercased().contains("connection:"))
                }
            }
            #expect(proxy.counters.connections == 1)
            #expect(stand.server.counters.connectionsAccepted == 1)
            proxy.stop()
        }
    }

    @Test("R13: proxies and scopes keep apart, a scope outlives its token, no secret shows")
    func isolation() async throws {
        try await withStand(.http1OverTLS) { stand in
            let (one, two) = (try LoopbackConnectProxy(), try LoopbackConnectProxy())
            let ways: [(ProxySetting, IsolationScope?)] = [
                (.direct, nil), (.direct, "secret-scope"),
                (try ProxySetting(parsing: "http://user:hidden@127.0.0.1:\(one.port)"), nil),
                (try ProxySetting(parsing: "http://user:hidden@127.0.0.1:\(one.port)"), "other"),
                (try ProxySetting(parsing: "http://user:hidden@127.0.0.1:\(two.port)"), nil),
            ]
            for token in ["first-token", "second-token"] {
                for (proxy, scope) in ways {
                    let client = ExecutorClient(stand.engine, proxy: proxy, isolation: scope)
                    let fields: HTTPFields = [.authorization: token]
                    let response = try await client.send(.get(stand.url("/"), fields: fields))
                    _ = try await response.body.collect(upTo: 100)
                }
            }
            #expect(stand.server.counters.connectionsAccepted == ways.count)
            #expect(one.counters.connections == 2)
            #expect(two.counters.connections == 1)
            let shown = "\(stand.engine.snapshot())"
            for secret in ["secret-scope", "hidden", "user:", "token"] {
                #expect(!shown.contains(secret))
            }
            one.stop()
            two.stop()
        }
    }

    @Test("R14: forty scopes never leave more idle connections than the total allows")
    func idleStaysBoundedUnderChurn() async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxIdle = 4
        try await withStand(.http1, tuning: tuning) { stand in
            for scope in 0..<40 {
                let client = ExecutorClient(
                    stand.engine, isolation: IsolationScope("scope \(scope)"))
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
                #expect(stand.engine.snapshot().idle <= 4)
            }
            #expect(stand.engine.snapshot().idle == 4)
            #expect(stand.engine.snapshot().routes.count <= 4)
        }
    }

    @Test(
        "R16: twelve answers in reverse order reach those who asked",
        arguments: ProtocolVariant.allCases)
    func reverseOrder(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            try await stand.expectAnswersInReverse(to: stand.client)
            #expect(stand.server.counters.connectionsAccepted == (variant.isHTTP2 ? 1 : 12))
        }
    }

    @Test("R26: closing, purging, dropping and cancelling twice are harmless")
    func closingIsIdempotent() async throws {
        try await withStand(.http1) { stand in
            let task = Task { try await stand.get("/hang") }
            try await eventually("the request is at the origin") {
                stand.server.counters.currentRequests == 1
            }
            task.cancel()
            task.cancel()
            #expect(await transportError { _ = try await task.value }?.kind == .cancelled)
            _ = try await stand.get("/").body.collect(upTo: 100)
            stand.engine.closeIdleConnections()
            stand.engine.closeIdleConnections()
            #expect(stand.engine.snapshot().idle == 0)
            await stand.engine.shutdown()
            stand.engine.closeIdleConnections()
            await stand.engine.shutdown()
        }
    }

    @Test(
        "R27: a cancelled request leaves its connection to the others",
        arguments: [ProtocolVariant.http2OverTLS, .http2PriorKnowledge])
    func cancellingSparesSiblings(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let sibling = try await stand.get("/bytes/3000000")
            let waiting = Task { try await stand.get("/hang") }
            let reading = try await stand.get("/endless")
            try await eventually("all are at the origin") {
                stand.server.counters.currentRequests == 3
            }
            waiting.cancel()
            #expect(await transportError { _ = try await waiting.value }?.kind == .cancelled)
            withExtendedLifetime(reading) {}
            #expect(try await checkPattern(sibling.body) == 3_000_000)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    @Test(
        "R30: a stream's error and a full connection are no end of it",
        arguments: [ProtocolVariant.http2OverTLS, .http2PriorKnowledge])
    func streamErrorsSpareTheConnection(_ variant: ProtocolVariant) async throws {
        var tuning = EngineTuning.executor
        tuning.http2.maxConnectionsPerHost = 1
        tuning.limits.replays = 0
        try await withStand(variant, tuning: tuning) {
            $0.maxConcurrentStreams = 1
        } _: { stand in
            for code: UInt32 in [1, 2, 7, 8, 11] {
                let error = await transportError { _ = try await stand.get("/reset/\(code)") }
                #expect(error?.kind == .h2Stream(code: code))
            }
            // Full: the second waits for the first's end, on the same connection.
            let first = try await stand.get("/bytes/2000000")
            let second = Task { try await stand.get("/bytes/1000") }
            try await eventually("the second waits") { stand.engine.snapshot().waiting == 1 }
            #expect(try await checkPattern(first.body) == 2_000_000)
            #expect(try await checkPattern(second.value.body) == 1000)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }
}
