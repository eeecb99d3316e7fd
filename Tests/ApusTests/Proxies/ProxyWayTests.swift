import Apus
import ApusSocket
import Loopback
import Testing

/// Which way a request takes: rules, chains, `direct`, and a place to connect to.
@Suite(.timeLimit(.minutes(5))) struct ProxyWayTests {
    @Test("R19: direct beats what the client and the environment say")
    func directBeatsAll() async throws {
        let server = try LoopbackServer()
        let proxy = try LoopbackConnectProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine { engine in
            let environment = try ProxySetting.fromEnvironment([
                "http_proxy": "http://127.0.0.1:\(proxy.port)"
            ])
            let url = "http://127.0.0.1:\(server.port)/"
            let outer = ExecutorClient(engine, proxy: environment)
            try await expectStatus(200, ExecutorClient(outer, proxy: .direct), url)
            var options = RequestOptions()
            options.proxy = .direct
            try await expectStatus(200, outer, url, options: options)
            #expect(proxy.requests.isEmpty)
            try await expectStatus(200, outer, url)
            try await expectStatus(200, ExecutorClient(outer), url)
            #expect(proxy.requests.count == 2)
        }
    }

    @Test("R19: a credential's proxy beats the environment's")
    func theCredentialsProxyBeatsTheEnvironments() async throws {
        let server = try LoopbackServer()
        let (own, general) = (try LoopbackConnectProxy(), try LoopbackConnectProxy())
        defer { for stop in [server.stop, own.stop, general.stop] { stop() } }
        try await withEngine { engine in
            let environment = ExecutorClient(
                engine,
                proxy: try .fromEnvironment(["all_proxy": "127.0.0.1:\(general.port)"]))
            let found = try ExecutorClient.resolve(
                over: environment, credentialProxy: "http://127.0.0.1:\(own.port)")
            let url = "http://127.0.0.1:\(server.port)/"
            try await expectStatus(200, found.client(otherwise: environment), url)
            #expect(own.requests.count == 1)
            // Without a setting the environment decides, which the caller passed.
            let none = try ExecutorClient.resolve(over: engine)
            #expect(none.client == nil)
            try await expectStatus(200, none.client(otherwise: environment), url)
            #expect(general.requests.count == 1)
        }
    }

    @Test("section 2.4: NO_PROXY is asked for each request of one client")
    func rulesAreAskedPerRequest() async throws {
        let server = try LoopbackServer()
        let proxy = try LoopbackConnectProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine(resolver: StubResolver("127.0.0.1")) { engine in
            let client = ExecutorClient(
                engine,
                proxy: try .fromEnvironment([
                    "http_proxy": "http://127.0.0.1:\(proxy.port)", "no_proxy": ".inside.test",
                ]))
            for host in ["a.inside.test", "b.inside.test", "a.inside.test"] {
                try await expectStatus(200, client, "http://\(host):\(server.port)/")
            }
            #expect(proxy.requests.isEmpty)
            try await expectStatus(200, client, "http://localhost:\(server.port)/")
            #expect(proxy.requests.count == 1)
            #expect(engine.snapshot().connectionsOpened == 3)
        }
    }

    @Test("R20: a failing proxy never falls back to direct, nor to another of its chain")
    func neverDirect() async throws {
        let server = try LoopbackServer()
        let proxy = try LoopbackConnectProxy()
        let refusing = try RefusingPort()
        defer {
            server.stop()
            proxy.stop()
        }
        let dead = "127.0.0.1:\(refusing.port)"
        let alive = "http://127.0.0.1:\(proxy.port)"
        let settings: [ProxySetting] = [
            try ProxySetting(parsing: "http://\(dead)"),
            try ProxySetting(parsing: "socks4a://\(dead)"),
            try .fromEnvironment(["all_proxy": dead]),
            .chain([try ProxyEndpoint(parsing: "http://\(dead)"), try .init(parsing: alive)]),
            .chain([try ProxyEndpoint(parsing: alive), try .init(parsing: "http://\(dead)")]),
            .chain([try ProxyEndpoint(parsing: alive), try .init(parsing: "socks5://\(dead)")]),
        ]
        for setting in settings {
            try await withEngine { engine in
                let error = await dialError(
                    ExecutorClient(engine, proxy: setting), "http://127.0.0.1:\(server.port)/")
                #expect(error?.hop == .proxy, "\(String(describing: error))")
            }
        }
        #expect(server.counters.connectionsAccepted == 0)
        withExtendedLifetime(refusing) {}
    }

    @Test("R20: a chain out of bounds is refused before anything is dialled", arguments: [0, 5])
    func chainsHaveBounds(_ count: Int) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine { engine in
            let proxy = try ProxyEndpoint(parsing: "http://127.0.0.1:1")
            let client = ExecutorClient(
                engine, proxy: .chain(Array(repeating: proxy, count: count)))
            let error = await transportError {
                _ = try await client.send(.get("http://127.0.0.1:\(server.port)/"))
            }
            #expect(error?.kind.name == "invalidRequest")
            #expect(engine.snapshot().counters.dials == 0)
        }
        #expect(server.counters.connectionsAccepted == 0)
    }

    @Test("a refusal in a chain names the proxy that refused, and no other hears of the origin")
    func theChainSaysWho() async throws {
        var options = LoopbackConnectProxy.Options()
        options.refusal = 403
        options.refusalBody = "not through here"
        let (first, second) = (try LoopbackConnectProxy(), try LoopbackConnectProxy(options))
        defer {
            first.stop()
            second.stop()
        }
        try await withEngine { engine in
            let chain = try [first, second].map {
                try ProxyEndpoint(parsing: "http://127.0.0.1:\($0.port)")
            }
            let error = await dialError(
                ExecutorClient(engine, proxy: .chain(chain)), "https://origin.test/")
            #expect(error?.kind == .proxyStatus(403))
            #expect(error?.message == "\(chain[1]): the proxy answered 403")
            #expect(error.map { String($0.proxyAnswer?.body ?? .empty) } == "not through here")
            #expect(first.connectRequests.count == 1)
            #expect(!first.requests[0].contains("origin.test"))
        }
    }

    // MARK: connectTo

    @Test("connectTo is what the last proxy is asked for", arguments: ["http", "socks5h"])
    func connectToThroughAProxy(_ scheme: String) async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try MatrixProxy(
                scheme == "http" ? .http : .socks5h, number: 1, asksForLogin: false)
            defer { proxy.stop() }
            var options = RequestOptions()
            options.connectTo = .address("127.0.0.1", port: stand.server.port)
            let client = ExecutorClient(stand.engine, proxy: .proxy(try proxy.endpoint(.none)))
            try await expectStatus(200, client, "https://localhost:1/", options: options)
            #expect(proxy.seen.count == 1)
            #expect(proxy.seen.allSatisfy { $0.contains("127.0.0.1:\(stand.server.port)") })
        }
    }

    @Test("a connectTo that cannot be sent to a proxy is refused before anything is dialled")
    func connectToThatCannotBe() async throws {
        try await withEngine { engine in
            let client = ExecutorClient(
                engine, proxy: try ProxySetting(parsing: "http://127.0.0.1:1"))
            for (url, target) in [
                ("http://o.test/", ConnectTarget.address("127.0.0.1", port: 1)),
                ("https://o.test/", .unixSocket(path: "/socket")),
            ] {
                var options = RequestOptions()
                options.connectTo = target
                let error = await transportError {
                    _ = try await client.send(.get(url), options: options)
                }
                #expect(error?.kind.name == "invalidRequest", "\(String(describing: error))")
                #expect(error?.message.hasPrefix("connectTo: ") == true)
            }
            #expect(engine.snapshot().counters.dials == 0)
        }
    }

    // MARK: Fields and TLS of the proxy's own

    @Test(
        "section 2.4: a proxy's own fields go to it alone",
        arguments: [ProtocolVariant.http1, .http1OverTLS])
    func fieldsForTheProxy(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let proxy = try LoopbackConnectProxy()
            defer { proxy.stop() }
            var options = ProxyEndpoint.Options()
            options.fields = [.proxyAuthorization: "Bearer token", .userAgent: "to-the-proxy"]
            let url = "http://127.0.0.1:\(proxy.port)"
            let endpoint = try ProxyEndpoint(parsing: url, options: options)
            let client = ExecutorClient(
                stand.engine, proxy: .proxy(endpoint), versions: variant.versions)
            let head = try await client.send(.get(stand.url("/headers"))).body.collect(upTo: 9999)
            #expect(proxy.requests.allSatisfy { $0.contains("User-Agent: to-the-proxy\r\n") })
            #expect(
                proxy.requests.allSatisfy { $0.contains("Proxy-Authorization: Bearer token\r\n") })
            #expect(!String(head).contains("Bearer token"))
            if variant.isTLS { #expect(!String(head).contains("to-the-proxy")) }
        }
    }

    @Test("row 83: the proxy's trust is its own: neither side's vouches for the other")
    func trustIsPerHop() async throws {
        try FixturePaths.ensureCertificates()
        for (proxyRoots, originRoots, hop) in [
            ("ca", "ca", nil), ("untrusted-ca", "ca", TransportError.Hop.proxy),
            ("ca", "untrusted-ca", .origin),
        ] as [(String, String, TransportError.Hop?)] {
            let server = try LoopbackServer(
                LoopbackServer.Options(tls: FixturePaths.certificate("leaf")))
            let proxy = try LoopbackProxyKind.https.start(.init())
            defer {
                server.stop()
                proxy.stop()
            }
            var tuning = relaxedTuning
            tuning.tls.roots = .file(FixturePaths.pem(originRoots))
            let engine = try TransportEngine(tuning)
            var options = ProxyEndpoint.Options()
            options.tls = EngineTuning.TLS()
            options.tls?.roots = .file(FixturePaths.pem(proxyRoots))
            let endpoint = try ProxyEndpoint(
                parsing: "https://localhost:\(proxy.port)", options: options)
            let client = ExecutorClient(engine, proxy: .proxy(endpoint))
            let url = "https://localhost:\(server.port)/"
            if let hop {
                let error = await dialError(client, url)
                #expect(error?.kind.name == "tlsVerify", "\(String(describing: error))")
                #expect(error?.hop == hop)
            } else {
                try await expectStatus(200, client, url)
            }
            await engine.shutdown()
        }
    }

    @Test("row 83: insecureSkipVerify for origins leaves an https proxy verified, and conversely")
    func skippingIsPerHop() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(
            LoopbackServer.Options(tls: FixturePaths.certificate("leaf")))
        let proxy = try LoopbackProxyKind.https.start(.init())
        defer {
            server.stop()
            proxy.stop()
        }
        for skipsProxy in [false, true] {
            var tuning = relaxedTuning
            tuning.tls.roots = .file(FixturePaths.pem("untrusted-ca"))
            tuning.tls.insecureSkipVerify = !skipsProxy
            let engine = try TransportEngine(tuning)
            var options = ProxyEndpoint.Options()
            if skipsProxy {
                options.tls = EngineTuning.TLS()
                options.tls?.insecureSkipVerify = true
            }
            let endpoint = try ProxyEndpoint(
                parsing: "https://localhost:\(proxy.port)", options: options)
            let client = ExecutorClient(engine, proxy: .proxy(endpoint))
            let error = await dialError(client, "https://localhost:\(server.port)/")
            #expect(error?.kind.name == "tlsVerify", "\(String(describing: error))")
            #expect(error?.hop == (skipsProxy ? .origin : .proxy))
            await engine.shutdown()
        }
    }
}
