import Apus
import Loopback
import Testing

/// The requirements by their numbers: whose tuning it is, and who decides.
@Suite(.timeLimit(.minutes(5))) struct RequirementTests {
    /// How a per-request client came to be.
    enum Maker: String, CaseIterable, Sendable { case direct, proxied, injected }

    @Test("R1: an executor's tuning never reaches an engine with the defaults")
    func tuningNeverEscapesToUnrelatedEngines() async throws {
        try await withStand(.http1, tuning: .default) { stand in
            let unrelated = stand.engine
            let before = unrelated.tuning
            let executor = try TransportEngine(before.widened(atLeast: .executor))
            for engine in [executor, unrelated] {
                let found = try ExecutorClient.resolve(over: engine, credentialProxy: "direct")
                let client = found.client(otherwise: unrelated)
                var open: [Response] = []
                for _ in 0..<8 {
                    open.append(try await client.send(.get(stand.url("/bytes/2000000"))))
                }
                for response in open { _ = try await checkPattern(response.body) }
            }
            #expect(executor.snapshot().idle == 8)
            #expect(unrelated.snapshot().idle == 2)
            #expect(unrelated.tuning == before)
            #expect(unrelated.tuning.pool.maxIdle == 100)
            #expect(unrelated.tuning.pool.maxIdlePerHost == 2)
            #expect(unrelated.tuning.pool.idleTimeout == .seconds(90))
            await executor.shutdown()
        }
    }

    @Test("R2: nothing changes by importing, parsing, resolving or making an engine")
    func importingChangesNothing() async throws {
        let (plain, executor) = (EngineTuning.default, EngineTuning.executor)
        let engine = try TransportEngine(.executor)
        for text in ["", "direct", "http://proxy.test:3128", "socks5h://user:word@proxy.test"] {
            _ = try ExecutorClient.resolve(over: engine, credentialProxy: text)
        }
        #expect(EngineTuning() == plain)
        #expect(EngineTuning.default == plain)
        #expect(EngineTuning.executor == executor)
        #expect(plain.pool.maxIdle == 100)
        #expect(plain.pool.maxIdlePerHost == 2)
        #expect(engine.snapshot().connectionsOpened == 0)
        await engine.shutdown()
    }

    @Test("R3: a live engine cannot be tuned anew")
    func aLiveEngineKeepsItsTuning() async throws {
        try await withStand(.http1) { stand in
            var copy = stand.engine.tuning
            copy.pool.maxIdle = 0
            copy.pool.maxIdlePerHost = 0
            _ = try await stand.get("/").body.collect(upTo: 100)
            #expect(stand.engine.tuning != copy)
            // Read-only values cannot be written.
            let path: AnyKeyPath = \TransportEngine.tuning
            #expect(!(path is WritableKeyPath<TransportEngine, EngineTuning>))
            #expect(stand.engine.snapshot().idle == 1)
        }
    }

    @Test("R4: a fresh client per request, and one connection for all", arguments: Maker.allCases)
    func cloningPerCallCannotFragmentThePool(_ maker: Maker) async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackConnectProxy()
            let other = try TransportEngine()
            for _ in 0..<50 {
                let found =
                    switch maker {
                    case .direct:
                        try ExecutorClient.resolve(over: stand.engine, credentialProxy: "direct")
                    case .proxied:
                        try ExecutorClient.resolve(
                            over: stand.engine, configProxy: "http://u:p@127.0.0.1:\(proxy.port)")
                    case .injected:
                        try ExecutorClient.resolve(over: other, injected: stand.engine)
                    }
                let client = found.client(otherwise: other)
                let response = try await client.send(.get(stand.url("/bytes/1000")))
                #expect(try await checkPattern(response.body) == 1000)
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(stand.server.counters.tlsHandshakes == 1)
            #expect(proxy.counters.connections == (maker == .proxied ? 1 : 0))
            #expect(other.snapshot().connectionsOpened == 0)
            await other.shutdown()
            proxy.stop()
        }
    }

    @Test("R5: an injected transport is the very same one, its tuning untouched")
    func injectedTransportKeepsItsIdentityAndTuning() async throws {
        var own = EngineTuning()
        own.pool.maxIdlePerHost = 0
        try await withStand(.http1, tuning: own) { stand in
            let before = stand.engine.tuning
            let other = try TransportEngine(.executor)
            for _ in 0..<2 {
                let found = try ExecutorClient.resolve(
                    over: other, injected: stand.engine, timeout: .seconds(60), isolation: "a",
                    versions: .http1Only(alpn: .http1))
                #expect(found.opinion == .injectedTransport)
                #expect(found.client?.transport as? TransportEngine === stand.engine)
                let client = found.client(otherwise: other)
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            }
            #expect(stand.engine.tuning == before)
            #expect(stand.server.counters.connectionsAccepted == 2, "it keeps none idle, as it was")
            #expect(other.snapshot().connectionsOpened == 0)
            await other.shutdown()
        }
    }

    @Test("R7: no opinion is a value, and no other option flips it")
    func noOpinionStaysVisible() async throws {
        try await withStand(.http2OverTLS) { stand in
            // What an executor with a singleton of its own relies on: HTTP/1.1 and no ALPN.
            let own = ExecutorClient(stand.engine, versions: .http1Only(alpn: .omit))
            for (timeout, scope, policy) in [
                (Duration.zero, nil, .fail), (.seconds(60), "scope", .fallThrough),
                (.seconds(60), nil, .fallThrough), (.zero, "scope", .fail),
            ] as [(Duration, IsolationScope?, ExecutorClient.BadProxyPolicy)] {
                let found = try ExecutorClient.resolve(
                    over: stand.engine, credentialProxy: "", configProxy: " ", timeout: timeout,
                    isolation: scope, badProxy: policy)
                #expect(found.opinion == .noOpinion)
                #expect(found.client == nil)
                let response = try await found.client(otherwise: own).send(.get(stand.url("/tls")))
                #expect(response.version == .http1)
                let facts = String(try await response.body.collect(upTo: 1000))
                #expect(facts.contains("alpn=none"))
            }
        }
    }

    @Test("R9: the same proxy, written differently, is the same pool")
    func theSameProxyIsTheSamePool() async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackConnectProxy()
            for text in ["http://a:b%20c@localhost:", "HTTP://a:b c@LOCALHOST:"] {
                let found = try ExecutorClient.resolve(
                    over: stand.engine, configProxy: "\(text)\(proxy.port)/")
                let client = found.client(otherwise: stand.engine)
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            }
            #expect(proxy.counters.connections == 1)
            proxy.stop()
        }
    }

    @Test("R10: h2 for one client does not reach those that speak HTTP/1.1 alone")
    func versionsAreEachClientsOwn() async throws {
        try await withStand(.http2OverTLS) { stand in
            let modern = ExecutorClient(stand.engine, versions: .http2Only)
            let plain = ExecutorClient(stand.engine, versions: .http1Only(alpn: .http1))
            for _ in 0..<3 {
                let first = try await modern.send(.get(stand.url("/")))
                #expect(first.version == .http2)
                _ = try await first.body.collect(upTo: 100)
                let second = try await plain.send(.get(stand.url("/")))
                #expect(second.version == .http1)
                _ = try await second.body.collect(upTo: 100)
            }
            #expect(stand.server.counters.connectionsAccepted == 2)
        }
    }

    @Test("R15: HTTP/1.1 with no ALPN extension at all, over TLS 1.3")
    func noALPNWhenAskedToOmitIt() async throws {
        try await withStand(.http1OverTLS) { stand in
            let client = ExecutorClient(stand.engine, versions: .http1Only(alpn: .omit))
            try await stand.expectNoALPN(of: client)
        }
    }
}

// MARK: - What holds through a proxy as well

extension Stand {
    /// R16: twelve requests at once, whose bodies end in reverse order, and so do the answers.
    func expectAnswersInReverse(to client: ExecutorClient) async throws {
        let bodies = (0..<12).map { _ in AsyncThrowingStream<Bytes, any Error>.makeStream() }
        let answers = bodies.map { body in
            Task {
                let response = try await client.send(
                    .post(url("/echo")), body: .oneShot { body.stream })
                return String(try await response.body.collect(upTo: 100))
            }
        }
        try await eventually("all are at the origin") { server.counters.currentRequests == 12 }
        for index in (0..<12).reversed() {
            bodies[index].continuation.yield(Bytes("body \(index)"))
            bodies[index].continuation.finish()
            #expect(try await answers[index].value == "body \(index)")
        }
    }

    /// R15: the origin has seen TLS 1.3 and no ALPN extension.
    func expectNoALPN(of client: ExecutorClient) async throws {
        let response = try await client.send(.get(url("/tls")))
        let facts = String(try await response.body.collect(upTo: 1000))
        #expect(facts.contains("version=TLSv1.3"))
        #expect(facts.contains("alpn=none"))
        #expect(response.version == .http1)
        #expect(response.info.connection.tls?.alpn == nil)
    }
}
