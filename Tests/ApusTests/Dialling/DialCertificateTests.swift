import Apus
import ApusSocket
import Loopback
import Testing

/// Certificates that must be refused, and those that must not: rows 44, 45 and 83.
@Suite(.timeLimit(.minutes(5))) struct DialCertificateTests {
    /// How the origin is reached: straight, through one proxy, or through two.
    enum Hops: String, CaseIterable, Sendable { case direct, http, https, chain }

    /// A certificate, the name asked for, and OpenSSL's verification codes for the pair.
    struct Case: Sendable, CustomTestStringConvertible {
        let certificate: String
        var host = "localhost"
        let codes: [Int]

        var testDescription: String { "\(certificate) for \(host)" }
    }

    static let refused = [
        Case(certificate: "expired", codes: [10]),
        Case(certificate: "not-yet-valid", codes: [9]),
        Case(certificate: "wrong-host", codes: [62]),
        Case(certificate: "no-san", host: "no-san.test", codes: [62]),
        Case(certificate: "partial-wildcard", host: "foo.example.test", codes: [62]),
        Case(certificate: "wildcard", host: "example.test", codes: [62]),
        Case(certificate: "wildcard", host: "a.b.example.test", codes: [62]),
        Case(certificate: "ip-san", codes: [62]),
        Case(certificate: "ip-san", host: "127.0.0.2", codes: [64]),
        Case(certificate: "constrained-violation", codes: [47]),
        Case(certificate: "client", host: "client.example.test", codes: [26]),
        Case(certificate: "weak-key", codes: [66]),
        Case(certificate: "not-strict", codes: [85]),
        Case(certificate: "self-signed", codes: [18]),
        Case(certificate: "untrusted", codes: [19, 20, 21]),
        Case(certificate: "missing-intermediate", codes: [20, 21]),
        Case(certificate: "leaf", host: "other.test", codes: [62]),
        Case(certificate: "leaf", host: "a.b.example.test", codes: [62]),
        Case(certificate: "wrong-host", host: "127.0.0.1", codes: [64]),
    ]

    @Test("row 44: a certificate that must not be trusted", arguments: refused, Hops.allCases)
    func aRefusedCertificate(_ refused: Case, _ hops: Hops) async throws {
        try FixturePaths.ensureCertificates()
        let bad = try LoopbackServer(.init(tls: FixturePaths.certificate(refused.certificate)))
        let good = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        let variant = try CertificateWay(hops)
        defer {
            bad.stop()
            good.stop()
            variant.stop()
        }
        let ports = [bad.port, good.port] + variant.ports
        let resolver = StubResolver { (host, port) throws(ResolveError) in
            SocketAddress(literal: host == "127.0.0.2" ? host : "127.0.0.1", port: port)
                .map { [$0] } ?? []
        }
        var tuning = relaxedTuning
        // The server is at 127.0.0.1, whatever address is asked for.
        tuning.dial.overrides = [
            .init(host: "127.0.0.2", to: [.address("127.0.0.1", port: bad.port)])
        ]
        try await withEngine(tuning, resolver: resolver, ports: ports) { engine in
            let client = ExecutorClient(engine, proxy: variant.setting)
            let error = await dialError(client, "https://\(refused.host):\(bad.port)/")
            guard case .tlsVerify(let code) = error?.kind else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(refused.codes.contains(code), "\(String(describing: error))")
            #expect(error?.phase == .tls)
            #expect(error?.hop == .origin)
            #expect(error?.attempts.count == 1)
            let refusal = error?.certificateRefusal
            #expect(refusal?.code == code)
            #expect(refusal?.name == refused.host)
            #expect(refusal?.certificate?.subject.contains("O=Apus fixtures") == true)
            #expect(error?.message.contains(refused.host) == true)
            #expect(error?.message.contains("of the chain") == true)
            expectEmpty(engine)
            try await expectStatus(200, client, "https://localhost:\(good.port)/")
            #expect(bad.counters.requests == 0)
        }
    }

    @Test(
        "row 44: a certificate that is good",
        arguments: [
            ("leaf", "localhost"), ("leaf", "127.0.0.1"), ("leaf", "example.test"),
            ("leaf", "a.example.test"), ("leaf", "LOCALHOST"), ("leaf", "localhost."),
            ("wildcard", "a.example.test"), ("ip-san", "127.0.0.1"),
            ("constrained", "a.allowed.test"),
        ], Hops.allCases)
    func anAcceptedCertificate(_ pair: (String, String), _ hops: Hops) async throws {
        let (certificate, host) = pair
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate(certificate)))
        let variant = try CertificateWay(hops)
        defer {
            server.stop()
            variant.stop()
        }
        try await withEngine(resolver: StubResolver("127.0.0.1"), ports: [server.port]) { engine in
            let client = ExecutorClient(engine, proxy: variant.setting)
            try await expectStatus(200, client, "https://\(host):\(server.port)/")
        }
    }

    @Test("row 44: a chain in the wrong order is put in order", arguments: [true, false])
    func aReversedChain(isReversed: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let files = FixturePaths.certificate("missing-intermediate")
        let order = isReversed ? ["ca", "intermediate"] : ["intermediate"]
        let chain = try TemporaryFile(
            joining: [files.chain] + order.map { FixturePaths.pem($0) })
        let server = try LoopbackServer(
            .init(tls: CertificateFiles(chain: chain.path, key: files.key)))
        defer { server.stop() }
        try await withEngine(ports: [server.port]) { engine in
            try await expectStatus(200, engine, "https://localhost:\(server.port)/")
        }
    }

    @Test("row 45: a session is no pass for a server with another certificate")
    func anotherCertificateAfterASession() async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: FixturePaths.certificate("leaf"))
        let good = try LoopbackServer(options)
        try await withEngine(ports: [good.port]) { engine in
            let url = "https://localhost:\(good.port)/"
            var once = RequestOptions()
            once.reuse = .oneShot
            for _ in 0..<3 { try await fetch(engine, url, options: once) }
            #expect(good.counters.tlsResumed > 0)
            good.stop()
            options.port = good.port
            options.tls = FixturePaths.certificate("untrusted")
            let bad = try LoopbackServer(options)
            for _ in 0..<3 {
                let error = await dialError(engine, url, options: once)
                #expect(error?.kind.name == "tlsVerify")
            }
            #expect(bad.counters.requests == 0)
            bad.stop()
        }
    }

    /// Certificates of `refused` that are bad for localhost, where the proxies are.
    static let refusedProxies = refused.filter { $0.host == "localhost" }

    @Test(
        "rows 45 and 83: an https proxy with a bad certificate sees no credentials",
        arguments: refusedProxies, [false, true])
    func aRefusedProxyCertificate(_ refused: Case, isSecond: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        var options = LoopbackConnectProxy.Options()
        options.tls = FixturePaths.certificate(refused.certificate)
        let proxy = try LoopbackConnectProxy(options)
        let first = try LoopbackConnectProxy()
        defer {
            server.stop()
            proxy.stop()
            first.stop()
        }
        let nearest = isSecond ? first.port : proxy.port
        try await withEngine(ports: [nearest]) { engine in
            let bad = try ProxyEndpoint(parsing: "https://user:secret@localhost:\(proxy.port)")
            let plain = try ProxyEndpoint(parsing: "http://localhost:\(first.port)")
            let setting: ProxySetting = isSecond ? .chain([plain, bad]) : .proxy(bad)
            let client = ExecutorClient(engine, proxy: setting)
            for scheme in ["http", "https"] {
                let error = await dialError(client, "\(scheme)://localhost:\(server.port)/")
                guard case .tlsVerify(let code) = error?.kind else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(refused.codes.contains(code), "\(String(describing: error))")
                #expect(error?.phase == .tls)
                #expect(error?.hop == .proxy)
                #expect(error?.certificateRefusal?.name == "localhost")
                #expect(error?.description.contains("secret") == false)
            }
            #expect(proxy.requests.isEmpty)
            #expect(server.counters.connectionsAccepted == 0)
            expectEmpty(engine)
        }
    }

    @Test(
        "row 44: a client's certificate: the right one, none, a stranger's",
        arguments: [("client", true), ("other-client", true), (nil, false), ("untrusted", false)])
    func clientCertificates(_ name: String?, isGood: Bool) async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: FixturePaths.certificate("leaf"))
        options.clientCA = FixturePaths.pem("ca")
        let server = try LoopbackServer(options)
        defer { server.stop() }
        var tuning = relaxedTuning
        tuning.tls.identity = name.map { name in
            let files = FixturePaths.certificate(name)
            return .init(certificateFile: files.chain, keyFile: files.key)
        }
        try await withEngine(tuning, ports: [server.port]) { engine in
            let url = "https://localhost:\(server.port)/"
            guard !isGood else { return try await expectStatus(200, engine, url) }
            let error = await transportError { try await fetch(engine, url) }
            // In TLS 1.3 the server's alert comes when our handshake is over.
            let kinds = ["tlsAlert", "tlsHandshake", "reset", "truncated"]
            #expect(kinds.contains(error?.kind.name ?? ""), "\(String(describing: error))")
            #expect(server.counters.requests == 0)
        }
    }

    @Test("row 83: the origin's server name is not asked of the proxy")
    func theServerNameIsTheOriginsAlone() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("wrong-host")))
        let variant = try CertificateWay(.https)
        defer {
            server.stop()
            variant.stop()
        }
        var tuning = relaxedTuning
        tuning.tls.serverName = "wrong.example.test2"
        try await withEngine(tuning, ports: [server.port]) { engine in
            let client = ExecutorClient(engine, proxy: variant.setting)
            try await expectStatus(200, client, "https://localhost:\(server.port)/")
        }
    }
}

/// The proxies of a way, each with a certificate that is good.
private struct CertificateWay {
    private var proxies: [LoopbackConnectProxy] = []
    let setting: ProxySetting

    init(_ hops: DialCertificateTests.Hops) throws {
        var secure = LoopbackConnectProxy.Options()
        secure.tls = FixturePaths.certificate("leaf")
        // Whatever name or address is asked for: the server is at this one.
        secure.leadsTo = "127.0.0.1"
        var plain = secure
        plain.tls = nil
        let options: [LoopbackConnectProxy.Options] =
            switch hops {
            case .direct: []
            case .http: [plain]
            case .https: [secure]
            case .chain: [secure, secure]
            }
        proxies = try options.map(LoopbackConnectProxy.init)
        let endpoints = try zip(proxies, options).map { proxy, options in
            let kind: ProxyEndpoint.Kind = options.tls == nil ? .http : .https
            return try ProxyEndpoint(kind: kind, host: "localhost", port: Int(proxy.port))
        }
        setting = endpoints.isEmpty ? .direct : .chain(endpoints)
    }

    var ports: [UInt16] { proxies.prefix(1).map(\.port) }

    func stop() {
        for proxy in proxies { proxy.stop() }
    }
}
