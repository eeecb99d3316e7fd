import Apus
import Loopback
import Testing

/// Section 2.2 and row 45: TLS to a proxy resumes what this very proxy gave on this very way to it.
@Suite(.timeLimit(.minutes(5))) struct ProxyResumptionTests {
    @Test("section 2.2: the second tunnel to a proxy is resumed, to whichever origin")
    func theSecondTunnel() async throws {
        try await withGround { ground in
            let client = ExecutorClient(ground.engine, proxy: .proxy(try ground.endpoint()))
            for (index, origin) in (ground.origins + ground.origins).enumerated() {
                try await ground.fetch(client, origin)
                #expect(ground.proxy.counters.tlsHandshakes == index + 1)
                #expect(ground.proxy.counters.tlsResumed == index)
            }
            // The origins' sessions are their own.
            for origin in ground.origins { #expect(origin.counters.tlsResumed == 1) }
        }
    }

    @Test("section 2.2: so is one to a proxy with HTTP/2, and the event reports it")
    func theSecondTunnelOverHTTP2() async throws {
        try FixturePaths.ensureCertificates()
        let proxy = try LoopbackHTTP2Proxy()
        let server = try secureOrigin()
        defer {
            proxy.stop()
            server.stop()
        }
        let chronicle = Chronicle()
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning, observer: chronicle)
        let setting = try ProxySetting(parsing: "https://localhost:\(proxy.port)")
        let client = ExecutorClient(engine, proxy: setting)
        for _ in 0..<2 {
            try await expectStatus(200, client, "https://localhost:\(server.port)/", options: .once)
        }
        await engine.shutdown()
        let resumed = chronicle.events.compactMap { event in
            if case .proxySecured(_, _, let tls) = event { tls.isResumed } else { nil as Bool? }
        }
        #expect(resumed == [false, true])
        #expect(proxy.counters.tlsResumed == 1)
    }

    @Test("section 2.2: a forwarding connection offers less, and has sessions of its own")
    func forwarded() async throws {
        try await withGround { ground in
            let server = try LoopbackServer()
            defer { server.stop() }
            let client = ExecutorClient(ground.engine, proxy: .proxy(try ground.endpoint()))
            try await ground.fetch(client, ground.origins[0])
            for resumed in [0, 1] {
                try await expectStatus(
                    200, client, "http://localhost:\(server.port)/", options: .once)
                #expect(ground.proxy.counters.tlsResumed == resumed)
            }
            try await ground.fetch(client, ground.origins[0])
            #expect(ground.proxy.counters.tlsResumed == 2)
        }
    }

    @Test("section 2.2: raw tunnels and refused ones give sessions too")
    func rawTunnels() async throws {
        try await withGround { ground in
            let setting = ProxySetting.proxy(try ground.endpoint())
            let target = "localhost:\(ground.origins[0].port)"
            for resumed in [0, 1] {
                let tunnel = try await ground.engine.dialTunnel(to: target, via: setting)
                tunnel.close()
                #expect(ground.proxy.counters.tlsResumed == resumed)
            }
            let client = ExecutorClient(ground.engine, proxy: setting)
            var options = RequestOptions.once
            options.waitsOutBackoff = true
            for resumed in [2, 3] {
                // No proxy of the loopback reaches there.
                let error = await dialError(client, "https://192.0.2.1/", options: options)
                #expect(error?.kind == .proxyStatus(403))
                #expect(ground.proxy.counters.tlsResumed == resumed)
            }
        }
    }

    /// What may not be crossed.
    enum Difference: String, CaseIterable, Sendable {
        case scope, credentials, proxyFields, roots, identity, serverName, unverified, verifier
        case partialChain, versions, wayToTheProxy
    }

    @Test("row 45: no session crosses a difference", arguments: Difference.allCases)
    func notAcross(_ difference: Difference) async throws {
        try await withGround { ground in
            let near = ExecutorClient(ground.engine, proxy: .proxy(try ground.endpoint()))
            let front = try LoopbackConnectProxy()
            defer { front.stop() }
            let roots = try TemporaryFile(
                joining: [FixturePaths.pem("ca"), FixturePaths.pem("untrusted-ca")])
            let other = try ground.client(with: difference, through: front, roots: roots.path)
            let origin = ground.origins[0]
            for _ in 0..<2 { try await ground.fetch(near, origin) }
            #expect(ground.proxy.counters.tlsResumed == 1)
            try await ground.fetch(other, origin)
            #expect(ground.proxy.counters.tlsHandshakes == 3)
            #expect(ground.proxy.counters.tlsResumed == 1)
            // Each goes on with its own.
            try await ground.fetch(near, origin)
            try await ground.fetch(other, origin)
            #expect(ground.proxy.counters.tlsResumed == 3)
        }
    }

    @Test("drain(where:) forgets the sessions that came by the routes it names")
    func drained() async throws {
        try await withGround { ground in
            let client = ExecutorClient(ground.engine, proxy: .proxy(try ground.endpoint()))
            for _ in 0..<2 { try await ground.fetch(client, ground.origins[0]) }
            let port = ground.origins[0].port
            ground.engine.drain { $0.origin.port != port }
            try await ground.fetch(client, ground.origins[0])
            #expect(ground.proxy.counters.tlsResumed == 2)
            ground.engine.drain { $0.origin.port == port }
            try await ground.fetch(client, ground.origins[0])
            #expect(ground.proxy.counters.tlsResumed == 2)
        }
    }

    @Test("an engine that resumes nothing resumes no proxy's sessions either")
    func withoutResumption() async throws {
        var tuning = relaxedTuning
        tuning.tls.resumption = false
        try await withGround(tuning) { ground in
            let client = ExecutorClient(ground.engine, proxy: .proxy(try ground.endpoint()))
            for _ in 0..<3 { try await ground.fetch(client, ground.origins[0]) }
            #expect(ground.proxy.counters.tlsHandshakes == 3)
            #expect(ground.proxy.counters.tlsResumed == 0)
        }
    }

    // MARK: Support

    /// An https proxy, two origins, and an engine.
    private struct Ground: Sendable {
        let proxy: LoopbackConnectProxy
        let origins: [LoopbackServer]
        let engine: TransportEngine

        func fetch(_ client: ExecutorClient, _ origin: LoopbackServer) async throws {
            try await expectStatus(200, client, "https://localhost:\(origin.port)/", options: .once)
        }

        func endpoint(
            _ user: String = "user", _ options: ProxyEndpoint.Options = .init()
        ) throws -> ProxyEndpoint {
            try ProxyEndpoint(
                parsing: "https://\(user):word@localhost:\(proxy.port)", options: options)
        }

        func client(
            with difference: Difference, through front: LoopbackConnectProxy, roots: String
        ) throws -> ExecutorClient {
            var options = ProxyEndpoint.Options()
            var tls = EngineTuning.TLS()
            tls.roots = .file(FixturePaths.pem("ca"))
            let pair = FixturePaths.certificate("client")
            switch difference {
            case .scope:
                return ExecutorClient(engine, proxy: .proxy(try endpoint()), isolation: "other")
            case .credentials:
                return ExecutorClient(engine, proxy: .proxy(try endpoint("another")))
            case .wayToTheProxy:
                let near = try ProxyEndpoint(parsing: "http://localhost:\(front.port)")
                return ExecutorClient(engine, proxy: .chain([near, try endpoint()]))
            case .proxyFields: options.fields[.userAgent] = "for the proxy"
            case .roots: tls.roots = .file(roots)
            case .identity:
                tls.identity = .init(certificateFile: pair.chain, keyFile: pair.key)
            case .serverName: tls.serverName = "example.test"
            case .unverified: tls.insecureSkipVerify = true
            case .verifier: tls.verifier = PeerVerifier { _ async in .accept }
            case .partialChain: tls.allowsPartialChain = true
            case .versions: tls.maximumVersion = .tls12
            }
            if difference != .proxyFields { options.tls = tls }
            return ExecutorClient(engine, proxy: .proxy(try endpoint("user", options)))
        }
    }

    private func withGround(
        _ tuning: EngineTuning = relaxedTuning, _ body: (Ground) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let leaf = FixturePaths.certificate("leaf")
        let proxy = try LoopbackProxyKind.https.start(.init())
        let origins = try [0, 1].map { _ in try LoopbackServer(.init(tls: leaf)) }
        defer {
            proxy.stop()
            for origin in origins { origin.stop() }
        }
        try await withEngine(tuning, ports: [proxy.port]) { engine in
            try await body(Ground(proxy: proxy, origins: origins, engine: engine))
        }
    }
}
