import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback
import Synchronization
import Testing

/// Names, ciphers, groups, partial chains and the key log.
@Suite("section 2.2: settings") struct TLSSettingsTests {
    // MARK: Names

    @Test func theVerifiedNameMayDifferFromTheOneSent() throws {
        var settings = trusting()
        settings.verifiedName = "wrong.example.test2"
        let pair = try makePair(TLSServerContext(certificate: "wrong-host"), settings: settings)
        try pair.handshake()
        #expect(pair.serverName == "localhost")
        let other = try makePair(TLSServerContext(), settings: settings)
        let error = #expect(throws: TLSError.self) { try other.handshake() }
        #expect(error?.kind == .verify(code: 62, depth: 0))
        #expect(error?.refusal?.check == .name)
        #expect(error?.refusal?.name == "wrong.example.test2")
    }

    @Test func anAddressMayBeVerifiedWhereANameIsSent() throws {
        var settings = trusting()
        settings.verifiedName = "127.0.0.1"
        let pair = try makePair(TLSServerContext(certificate: "ip-san"), settings: settings)
        try pair.handshake()
        #expect(pair.serverName == "localhost")
        settings.verifiedName = "127.0.0.2"
        let other = try makePair(TLSServerContext(certificate: "ip-san"), settings: settings)
        expectFailure(.verify(code: 64, depth: 0)) { try other.handshake() }
    }

    @Test func theNameNeedNotBeSent() throws {
        var settings = trusting()
        settings.sendsServerName = false
        let pair = try makePair(TLSServerContext(), settings: settings)
        try pair.handshake()
        #expect(pair.serverName == nil)
        let other = try makePair(TLSServerContext(certificate: "wrong-host"), settings: settings)
        expectFailure(.verify(code: 62, depth: 0)) { try other.handshake() }
    }

    // MARK: Ciphers and groups

    @Test func theCiphersAreThoseOfTheSettings() throws {
        var settings = trusting(versions: .tls12 ... .tls12)
        settings.tls12CipherSuites = ["ECDHE-ECDSA-CHACHA20-POLY1305"]
        let old = try makePair(TLSServerContext(), settings: settings)
        try old.handshake()
        #expect(old.client.facts?.cipher == "ECDHE-ECDSA-CHACHA20-POLY1305")
        settings = trusting()
        settings.tls13CipherSuites = ["TLS_AES_128_GCM_SHA256"]
        let new = try makePair(TLSServerContext(), settings: settings)
        try new.handshake()
        #expect(new.client.facts?.cipher == "TLS_AES_128_GCM_SHA256")
    }

    @Test func theGroupsAreThoseOfTheSettings() throws {
        let server = try TLSServerContext()
        try check(Int32(apus_ssl_ctx_set_groups(server.pointer, "P-384")))
        var settings = trusting()
        settings.groups = ["P-256"]
        let refused = try makePair(server, settings: settings)
        #expect(throws: (any Error).self) { try refused.handshake() }
        settings.groups = ["P-256", "P-384"]
        try makePair(server, settings: settings).handshake()
    }

    static let bad: [(String, @Sendable (inout EngineTuning.TLS) -> Void)] = [
        ("tls.tls12CipherSuites", { $0.tls12CipherSuites = ["NO-SUCH-CIPHER"] }),
        ("tls.tls13CipherSuites", { $0.tls13CipherSuites = ["NO_SUCH_SUITE"] }),
        ("tls.groups", { $0.groups = ["NO-SUCH-GROUP"] }),
    ]

    @Test(arguments: bad.map(\.0))
    func aNameUnknownToOpenSSLIsReportedByItsField(_ field: String) throws {
        var settings = EngineTuning.TLS()
        try #require(Self.bad.first { $0.0 == field }).1(&settings)
        let error = #expect(throws: TLSError.self) { _ = try TLSContext(settings, alpn: []) }
        #expect(error?.kind == .configuration)
        #expect(error?.message.hasPrefix(field) == true, "\(error as Any)")
    }

    // MARK: Partial chains

    @Test(arguments: [true, false])
    func anIntermediateIsTrustedOnlyWhenPartialChainsAre(isAllowed: Bool) throws {
        try FixturePaths.ensureCertificates()
        var settings = EngineTuning.TLS()
        settings.roots = .file(FixturePaths.pem("intermediate"))
        settings.allowsPartialChain = isAllowed
        let server = try TLSServerContext(certificate: "missing-intermediate")
        let pair = try makePair(server, settings: settings)
        if isAllowed {
            try pair.handshake()
        } else {
            expectFailure(.verify(code: 2, depth: 1)) { try pair.handshake() }
        }
    }

    // MARK: Strictness

    @Test func anAuthorityWithoutAKeyUsageIsTrustedOnlyWhereTheRulesAreNotStrict() throws {
        var settings = trusting()
        settings.roots = .file(FixturePaths.pem("plain-ca"))
        let server = try TLSServerContext(certificate: "plain")
        let strict = try makePair(server, settings: settings)
        let error = #expect(throws: TLSError.self) { try strict.handshake() }
        #expect(error?.refusal?.check == .strictness)
        #expect(error?.message.contains("tls.isStrict") == true, "\(error as Any)")
        settings.isStrict = false
        try makePair(server, settings: settings).handshake()
        // Nothing else is let pass.
        for certificate in ["leaf", "untrusted", "self-signed", "expired"] {
            let other = try makePair(
                TLSServerContext(certificate: certificate), settings: settings)
            #expect(throws: TLSError.self) { try other.handshake() }
        }
        settings.roots = .file(FixturePaths.pem("ca"))
        try makePair(TLSServerContext(certificate: "not-strict"), settings: settings).handshake()
    }

    // MARK: Name constraints, wildcards, addresses

    @Test(arguments: [
        ("constrained", "a.allowed.test"), ("wildcard", "a.example.test"),
        ("ip-san", "127.0.0.1"), ("ip-san", "::1"),
        // Names with an underscore are no host names to OpenSSL, and are used as such.
        ("wildcard", "a_x.example.test"), ("wildcard", "_a.example.test"),
        ("wildcard", "A_.Example.test."), ("leaf", "a_x.example.test"),
    ])
    func accepts(_ certificate: String, _ name: String) throws {
        let server = try TLSServerContext(certificate: certificate)
        try makePair(server, serverName: name).handshake()
    }

    @Test(arguments: [
        ("constrained-violation", "localhost", 47, CertificateRefusal.Check.nameConstraints),
        ("wildcard", "example.test", 62, .name), ("wildcard", "a.b.example.test", 62, .name),
        ("ip-san", "localhost", 62, .name), ("ip-san", "127.0.0.3", 64, .name),
        ("wildcard", "a_x.b.example.test", 62, .name), ("wildcard", "a_x.example.org", 62, .name),
        ("wildcard", "a.b_c.example.test", 62, .name), ("wildcard", "_", 62, .name),
        ("wildcard", "a_x.test", 62, .name),
        ("partial-wildcard", "fo_o.example.test", 62, .name),
        ("constrained", "a_.allowed.test", 62, .name),
    ])
    func refuses(
        _ certificate: String, _ name: String, _ code: Int, _ check: CertificateRefusal.Check
    ) throws {
        let server = try TLSServerContext(certificate: certificate)
        let pair = try makePair(server, serverName: name)
        let error = #expect(throws: TLSError.self) { try pair.handshake() }
        #expect(error?.kind == .verify(code: code, depth: 0))
        #expect(error?.refusal?.check == check)
    }

    // MARK: The key log

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func secretsAreLoggedOnRequest(_ version: EngineTuning.TLS.Version) throws {
        let lines = Mutex<[String]>([])
        var settings = trusting()
        settings.keyLog = TLSKeyLog { line in lines.withLock { $0.append(line) } }
        let server = try TLSServerContext(versions: version...version)
        try makePair(server, settings: settings).handshake()
        let labels = Set(lines.withLock { $0 }.map { String($0.prefix { $0 != " " }) })
        #expect(
            labels
                == (version == .tls12
                    ? ["CLIENT_RANDOM"]
                    : [
                        "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                        "EXPORTER_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0",
                    ]))
        settings.keyLog = nil
        let before = lines.withLock { $0.count }
        try makePair(server, settings: settings).handshake()
        #expect(lines.withLock { $0.count } == before)
    }
}
