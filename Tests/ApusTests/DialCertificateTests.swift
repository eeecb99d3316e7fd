import Apus
import ApusSocket
import Loopback
import Testing

/// Certificates that must be refused, and those that must not: rows 44, 45 and 83.
@Suite struct DialCertificateTests {
    /// How the origin is reached.
    enum Hops: String, CaseIterable, Sendable { case direct, http, https }

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
        let proxy = try hops.makeProxy()
        defer {
            bad.stop()
            good.stop()
            proxy?.stop()
        }
        let ports = [bad.port, good.port] + (proxy.map { [$0.port] } ?? [])
        try await withEngine(resolver: StubResolver("127.0.0.1"), ports: ports) { engine in
            let client = ExecutorClient(engine, proxy: try hops.setting(proxy))
            let error = await dialError(client, "https://\(refused.host):\(bad.port)/")
            guard case .tlsVerify(let code) = error?.kind else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(refused.codes.contains(code), "\(String(describing: error))")
            #expect(error?.phase == .tls)
            #expect(error?.hop == .origin)
            #expect(error?.attempts.count == 1)
            #expect(error?.message.isEmpty == false)
            expectEmpty(engine)
            try await expectStatus(200, client, "https://localhost:\(good.port)/")
            #expect(bad.counters.requests == 0)
        }
    }

    @Test(
        "row 44: a certificate that is good",
        arguments: [
            "localhost", "127.0.0.1", "example.test", "a.example.test", "LOCALHOST", "localhost.",
        ], Hops.allCases)
    func anAcceptedCertificate(_ host: String, _ hops: Hops) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        let proxy = try hops.makeProxy()
        defer {
            server.stop()
            proxy?.stop()
        }
        // The fixture's proxy knows no name with a trailing dot.
        if hops != .direct, host.hasSuffix(".") { return }
        try await withEngine(resolver: StubResolver("127.0.0.1"), ports: [server.port]) { engine in
            let client = ExecutorClient(engine, proxy: try hops.setting(proxy))
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

    @Test(
        "rows 45 and 83: an https proxy with a bad certificate sees no credentials",
        arguments: [
            ("expired", 10), ("wrong-host", 62), ("self-signed", 18), ("not-yet-valid", 9),
        ])
    func aRefusedProxyCertificate(_ certificate: String, _ code: Int) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        var options = LoopbackConnectProxy.Options()
        options.tls = FixturePaths.certificate(certificate)
        let proxy = try LoopbackConnectProxy(options)
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine(ports: [proxy.port]) { engine in
            let setting = try ProxySetting(parsing: "https://user:secret@localhost:\(proxy.port)")
            let client = ExecutorClient(engine, proxy: setting)
            for scheme in ["http", "https"] {
                let error = await dialError(client, "\(scheme)://localhost:\(server.port)/")
                #expect(error?.kind == .tlsVerify(code: code), "\(String(describing: error))")
                #expect(error?.phase == .tls)
                #expect(error?.hop == .proxy)
                #expect(error?.description.contains("secret") == false)
            }
            #expect(proxy.requests.isEmpty)
            #expect(server.counters.connectionsAccepted == 0)
            expectEmpty(engine)
        }
    }

    @Test("row 83: the origin's server name is not asked of the proxy")
    func theServerNameIsTheOriginsAlone() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("wrong-host")))
        let proxy = try Hops.https.makeProxy()
        defer {
            server.stop()
            proxy?.stop()
        }
        var tuning = relaxedTuning
        tuning.tls.serverName = "wrong.example.test2"
        try await withEngine(tuning, ports: [server.port]) { engine in
            let client = ExecutorClient(engine, proxy: try Hops.https.setting(proxy))
            try await expectStatus(200, client, "https://localhost:\(server.port)/")
        }
    }
}

extension DialCertificateTests.Hops {
    fileprivate func makeProxy() throws -> LoopbackConnectProxy? {
        guard self != .direct else { return nil }
        var options = LoopbackConnectProxy.Options()
        if self == .https { options.tls = FixturePaths.certificate("leaf") }
        return try LoopbackConnectProxy(options)
    }

    fileprivate func setting(_ proxy: LoopbackConnectProxy?) throws -> ProxySetting {
        guard let proxy else { return .direct }
        return try ProxySetting(parsing: "\(rawValue)://localhost:\(proxy.port)")
    }
}
