import Apus
import Loopback
import Testing

/// Further proxies for a request: in order, before it has left, and never without one.
@Suite(.timeLimit(.minutes(5))) struct TransportEngineAlternativesTests {
    private func setting(_ port: UInt16) throws -> ProxySetting {
        try ProxySetting(parsing: "http://me:secret@127.0.0.1:\(port)")
    }

    private func options(_ ports: UInt16...) throws -> RequestOptions {
        var options = RequestOptions()
        options.proxy = try setting(ports[0])
        options.proxyAlternatives = try ports.dropFirst().map { try setting($0) }
        return options
    }

    private func proxy(
        _ configure: (inout LoopbackConnectProxy.Options) -> Void = { _ in }
    ) throws -> LoopbackConnectProxy {
        var options = LoopbackConnectProxy.Options()
        configure(&options)
        return try LoopbackConnectProxy(options)
    }

    @Test("E4: a request goes on to the next proxy, in order, and arrives once")
    func theNextProxyInOrder() async throws {
        let gone = try RefusingPort()
        let ends = try proxy { $0.outage = { .ends } }
        let refuses = try proxy { $0.refusal = 503 }
        let works = try proxy()
        let unused = try proxy()
        defer { for proxy in [ends, refuses, works, unused] { proxy.stop() } }
        try await withStand(.http1OverTLS) { stand in
            let options = try options(
                gone.port, ends.port, refuses.port, works.port, unused.port)
            let client = ExecutorClient(stand.engine)
            let body = RequestBody.bytes(Bytes("once"))
            let response = try await client.send(
                .post(stand.url("/echo")), body: body, options: options)
            #expect(response.status == .ok)
            _ = try await response.body.collect(upTo: 1000)
            let tries = response.info.tries
            let ports = [gone.port, ends.port, refuses.port, works.port]
            let names: [String?] = ports.map { "http://127.0.0.1:\($0)" }
            #expect(tries.map(\.choice) == names)
            let kinds: [TransportError.Kind?] = tries.map { entry in
                if case .failed(let error) = entry.outcome { error.kind } else { nil }
            }
            #expect(
                kinds == [.connect(errno: 111), .proxyFailed, .proxyStatus(503), nil])
            #expect(tries.last?.connectionID == response.info.connectionID)
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(unused.counters.connections == 0)
            // A request that the first proxy lets through has no list of tries.
            let direct = try await client.send(
                .get(stand.url("/")), options: self.options(works.port, unused.port))
            #expect(direct.info.tries.isEmpty)
        }
        withExtendedLifetime(gone) {}
    }

    @Test func theLastErrorListsTheTries() async throws {
        let (first, second) = (try proxy { $0.outage = { .ends } }, try proxy { $0.refusal = 407 })
        defer { for proxy in [first, second] { proxy.stop() } }
        try await withStand(.http1OverTLS) { stand in
            let error = await dialError(
                stand.engine, stand.url("/"), options: try options(first.port, second.port))
            #expect(error?.kind == .proxyStatus(407) && error?.tries.count == 2)
            #expect(error?.description.contains("secret") == false)
            #expect(stand.server.counters.connectionsAccepted == 0)
        }
    }

    /// Neither what has left nor what the origin refuses is a matter of the proxy.
    @Test func nothingElseGoesOn() async throws {
        let (works, unused) = (try proxy(), try proxy())
        defer { for proxy in [works, unused] { proxy.stop() } }
        try await withStand(.http1OverTLS) { stand in
            var options = try options(works.port, unused.port)
            options.versions = .http1Only(alpn: .http1)
            let truncated = await transportError {
                let response = try await stand.engine.send(
                    .get(stand.url("/truncate/100")), options: options)
                _ = try await response.body.collect(upTo: 1000)
            }
            #expect(truncated?.kind == .truncated)
            let answer = try await stand.engine.send(
                .get(stand.url("/status/503")), options: options)
            #expect(answer.status.code == 503)
            #expect(unused.counters.connections == 0)
        }
        // The origin's certificate is not trusted.
        let origin = try secureOrigin()
        defer { origin.stop() }
        let engine = try TransportEngine(relaxedTuning)
        let error = await dialError(
            engine, "https://localhost:\(origin.port)/",
            options: try options(works.port, unused.port))
        #expect(error?.hop == .origin && error?.tries.isEmpty == true)
        #expect(unused.counters.connections == 0)
        await engine.shutdown()
    }

    @Test func theTotalTimeoutCoversAllTries() async throws {
        let (silent, unused) = (try proxy { $0.isSilent = true }, try proxy())
        defer { for proxy in [silent, unused] { proxy.stop() } }
        try await withEngine { engine in
            var options = try options(silent.port, unused.port)
            options.totalTimeout = .milliseconds(100)
            let error = await dialError(engine, "https://origin.test/", options: options)
            #expect(error?.kind == .timeout && error?.phase == .total)
            #expect(unused.counters.connections == 0)
        }
    }

    private func refusal(
        _ engine: TransportEngine, _ options: RequestOptions
    ) async -> TransportError? {
        await transportError {
            _ = try await engine.send(.get("https://origin.test/"), options: options)
        }
    }

    @Test func theListHoldsProxiesAlone() async throws {
        try await withEngine { engine in
            for other in [ProxySetting.direct, .inherit, .rules(ProxyRules())] {
                var options = try options(1)
                options.proxyAlternatives = [try setting(1), other]
                let error = await refusal(engine, options)
                #expect(error?.invalidRequest?.field == "proxyAlternatives")
            }
            var options = try options(1)
            options.proxyAlternatives = Array(repeating: try setting(1), count: 17)
            let error = await refusal(engine, options)
            #expect(error?.invalidRequest?.field == "proxyAlternatives")
            #expect(engine.snapshot().counters.dials == 0)
        }
    }
}
