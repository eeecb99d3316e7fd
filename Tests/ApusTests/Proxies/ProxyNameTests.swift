import Apus
import ApusSocket
import Loopback
import Testing

/// Names, addresses and ALPN through proxies: who resolves what, and what the origin sees.
@Suite(.timeLimit(.minutes(5))) struct ProxyNameTests {
    @Test(
        "section 2.4: a name that the proxy resolves is never looked up here",
        arguments: [MatrixProxy.Kind.http, .https, .httpsOverHTTP2, .socks4a, .socks5, .socks5h])
    func whoLooksUpTheName(_ kind: MatrixProxy.Kind) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(
            LoopbackServer.Options(tls: FixturePaths.certificate("leaf")))
        let proxy = try MatrixProxy(kind, number: 1, asksForLogin: false)
        defer {
            server.stop()
            proxy.stop()
        }
        let asked = DialRecorder()
        let resolver = StubResolver { host, port in
            asked.add(host)
            return SocketAddress(literal: "127.0.0.1", port: port).map { [$0] } ?? []
        }
        try await withEngine(resolver: resolver) { engine in
            // The proxy itself is at "localhost".
            let client = ExecutorClient(engine, proxy: .proxy(try proxy.endpoint(.none)))
            try await expectStatus(200, client, "https://example.test:\(server.port)/")
            let names = asked.list.filter { $0 != "localhost" }
            #expect(names == (kind == .socks5 ? ["example.test"] : []))
        }
    }

    @Test(
        "IPv6 literals: of the proxy, and of the origin through it",
        arguments: [MatrixProxy.Kind.http, .https, .httpsOverHTTP2, .socks5, .socks5h, .socks4a])
    func ipv6(_ kind: MatrixProxy.Kind) async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: FixturePaths.certificate("leaf"))
        options.ipv6 = true
        let server = try LoopbackServer(options)
        let proxy = try MatrixProxy(kind, number: 1, asksForLogin: false)
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine { engine in
            let client = ExecutorClient(engine, proxy: .proxy(try proxy.endpoint(.none)))
            let url = "https://[::1]:\(server.port)/"
            guard kind != .socks4a else {
                let error = await transportError { _ = try await client.send(.get(url)) }
                #expect(error?.kind.name == "invalidRequest", "\(String(describing: error))")
                #expect(engine.snapshot().counters.dials == 0)
                return
            }
            try await expectStatus(200, client, url)
            let seen = proxy.seen.first ?? ""
            #expect(seen.contains(proxy.kind.speaksHTTP ? "[::1]:" : "::1:"), "\(seen)")
        }
    }

    @Test("IPv6 literals: a proxy at one", arguments: ["http", "socks5h"])
    func aProxyAtIPv6(_ scheme: String) async throws {
        let server = try LoopbackServer()
        var options = LoopbackConnectProxy.Options()
        options.ipv6 = true
        let http = try LoopbackConnectProxy(options)
        var socksOptions = LoopbackSOCKSProxy.Options()
        socksOptions.ipv6 = true
        let socks = try LoopbackSOCKSProxy(socksOptions)
        defer { for stop in [server.stop, http.stop, socks.stop] { stop() } }
        try await withEngine { engine in
            let port = scheme == "http" ? http.port : socks.port
            let setting = try ProxySetting(parsing: "\(scheme)://[::1]:\(port)")
            let url = "http://127.0.0.1:\(server.port)/"
            try await expectStatus(200, ExecutorClient(engine, proxy: setting), url)
            #expect(http.requests.count + socks.requests.count == 1)
        }
    }

    @Test(
        "R15: no ALPN extension reaches the origin, whatever the proxy was offered",
        arguments: [MatrixProxy.Kind.http, .https, .httpsOverHTTP2, .socks5h])
    func noALPNThroughAProxy(_ kind: MatrixProxy.Kind) async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try MatrixProxy(kind, number: 1, asksForLogin: false)
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: .proxy(try proxy.endpoint(.none)),
                versions: .http1Only(alpn: .omit))
            try await stand.expectNoALPN(of: client)
        }
    }

    @Test(
        "R16: twelve answers in reverse order through one tunnel",
        arguments: [MatrixProxy.Kind.http, .httpsOverHTTP2, .socks5h])
    func reverseOrder(_ kind: MatrixProxy.Kind) async throws {
        try await withStand(.http2OverTLS) { stand in
            let proxy = try MatrixProxy(kind, number: 1, asksForLogin: false)
            defer { proxy.stop() }
            let client = ExecutorClient(stand.engine, proxy: .proxy(try proxy.endpoint(.none)))
            try await stand.expectAnswersInReverse(to: client)
            #expect(proxy.connections == 1)
        }
    }
}
