import Apus
import Loopback
import Testing

/// Clients are cheap and pools are not theirs.
@Suite(.timeLimit(.minutes(5))) struct PoolSharingTests {
    @Test func twoHundredFreshClientsOpenOneHTTP2Connection() async throws {
        try await withStand(.http2OverTLS) { stand in
            // Well below the hundred streams of one connection: one that has just ended may
            // still hold its place when the next request asks.
            try await fetch(200, atOnce: 64, on: stand)
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(stand.server.counters.requests == 200)
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http1OverTLS])
    func freshClientsOpenNoMoreHTTP1ConnectionsThanRequestsInFlight(_ variant: ProtocolVariant)
        async throws
    {
        try await withStand(variant) { stand in
            try await fetch(200, atOnce: 8, on: stand)
            #expect(stand.server.counters.connectionsAccepted <= 8)
            #expect(stand.server.counters.requests == 200)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func twoHundredFreshClientsInARowShareOneConnection(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            try await fetch(200, atOnce: 1, on: stand)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    @Test func scopesNeverShareAConnection() async throws {
        try await withStand(.http1) { stand in
            for scope in ["a", "b", "a", "b"] {
                let client = ExecutorClient(stand.engine, isolation: IsolationScope(scope))
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            }
            #expect(stand.server.counters.connectionsAccepted == 2)
        }
    }

    @Test func twoEnginesShareNothing() async throws {
        try await withStand(.http1) { stand in
            let other = try TransportEngine()
            _ = try await stand.get("/").body.collect(upTo: 100)
            _ = try await other.send(.get(stand.url("/"))).body.collect(upTo: 100)
            #expect(stand.server.counters.connectionsAccepted == 2)
            await other.shutdown()
        }
    }

    @Test func aOneShotRequestKeepsNoConnection() async throws {
        try await withStand(.http1) { stand in
            var options = RequestOptions()
            options.reuse = .oneShot
            for _ in 0..<3 {
                let response = try await stand.client.send(.get(stand.url("/")), options: options)
                _ = try await response.body.collect(upTo: 100)
            }
            #expect(stand.server.counters.connectionsAccepted == 3)
            try await eventually("all are closed") {
                descriptors(connectedTo: stand.server.port) == 0
            }
        }
    }

    @Test func aConnectionThatTheServerClosedWhileIdleIsNotUsed() async throws {
        try await withStand(.http1) { stand in
            _ = try await stand.get("/").body.collect(upTo: 100)
            try await eventually("the close is seen") {
                // The server may have answered and not yet called its connection idle.
                stand.server.closeIdleConnections()
                return stand.engine.snapshot().connections == 0
            }
            let response = try await stand.client.send(
                .post(stand.url("/sink")), body: .bytes(Bytes("x")))
            #expect(response.status == .ok)
            #expect(!response.info.isReused)
        }
    }

    /// `count` requests, each by a client of its own, at most `atOnce` in flight.
    private func fetch(_ count: Int, atOnce: Int, on stand: Stand) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<count {
                if index >= atOnce { try await group.next() }
                group.addTask {
                    let client = ExecutorClient(stand.engine, versions: stand.variant.versions)
                    let response = try await client.send(.get(stand.url("/bytes/1024")))
                    #expect(try await checkPattern(response.body) == 1024)
                }
            }
            try await group.waitForAll()
        }
    }
}
