import Apus
import ApusEngine
import ApusSocket
import Loopback
import Testing

/// A name that ends in a dot is absolute: no resolver puts a search list's domains after it, and no
/// peer that knows names otherwise sees the dot.
@Suite(.timeLimit(.minutes(5))) struct AbsoluteNameTests {
    /// The system's resolver with lookups of the test's own.
    private struct CachingResolver: Resolver {
        let system: SystemResolver

        func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
            try await system.resolve(host: host, port: port)
        }
    }

    private func cachingResolver(noting lookups: DialRecorder) -> CachingResolver {
        var tuning = relaxedTuning
        tuning.dial.cacheTime = .seconds(600)
        return CachingResolver(
            system: SystemResolver(tuning.dial) { name in
                lookups.add(name)
                return .success([SocketAddress(literal: "127.0.0.1", port: 0)].compactMap { $0 })
            })
    }

    @Test("the resolver and its cache get the name with its dot")
    func theResolverSeesTheDot() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let lookups = DialRecorder()
        let resolver = cachingResolver(noting: lookups)
        try await withEngine(resolver: resolver, ports: [server.port]) { engine in
            for host in ["www.example.test.", "www.example.test", "WWW.example.test."] {
                try await expectStatus(
                    200, engine, "http://\(host):\(server.port)/", options: .once)
            }
        }
        #expect(lookups.list == ["www.example.test.", "www.example.test"])
    }

    @Test("Host has the dot, SNI and the certificate's name have none", arguments: [false, true])
    func whatThePeerSees(_ isHTTP2: Bool) async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        try await withEngine(resolver: StubResolver("127.0.0.1"), ports: [server.port]) { engine in
            let client = ExecutorClient(
                engine, versions: isHTTP2 ? .http2Only : .http1Only(alpn: .http1))
            let url = "https://www.example.test.:\(server.port)"
            let head = try await client.send(.get(url + "/headers")).body.collect(upTo: 9999)
            #expect(String(head).contains("www.example.test.:\(server.port)"), "\(String(head))")
            let tls = try await client.send(.get(url + "/tls")).body.collect(upTo: 9999)
            #expect(String(tls).contains("sni=www.example.test\n"), "\(String(tls))")
        }
    }

    @Test("a proxy that resolves gets the name with its dot", arguments: ["http", "socks5h"])
    func aProxySeesTheDot(_ scheme: String) async throws {
        let server = try secureOrigin()
        let proxy = try MatrixProxy(
            scheme == "http" ? .http : .socks5h, number: 1, asksForLogin: false)
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine { engine in
            let client = ExecutorClient(engine, proxy: .proxy(try proxy.endpoint(.none)))
            try await expectStatus(200, client, "https://example.test.:\(server.port)/")
            #expect(proxy.seen.count == 1)
            #expect(
                proxy.seen.allSatisfy { $0.contains("example.test.:\(server.port)") },
                "\(proxy.seen)")
        }
    }

    @Test("an override covers a name in both of its spellings")
    func overrides() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        var tuning = relaxedTuning
        tuning.dial.overrides = [
            .init(host: "a.test", to: [.address("127.0.0.1", port: server.port)])
        ]
        try await withEngine(tuning, resolver: StubResolver(), ports: [server.port]) { engine in
            try await expectStatus(200, engine, "http://a.test/")
            try await expectStatus(200, engine, "http://a.test./")
        }
    }

    @Test("a name that is an exception to the proxies is one with its dot too")
    func exceptions() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine(resolver: StubResolver("127.0.0.1"), ports: [server.port]) { engine in
            let setting = try ProxySetting.fromEnvironment([
                "http_proxy": "http://127.0.0.1:1", "no_proxy": "b.test",
            ])
            let client = ExecutorClient(engine, proxy: setting)
            try await expectStatus(200, client, "http://a.b.test.:\(server.port)/")
        }
    }
}
