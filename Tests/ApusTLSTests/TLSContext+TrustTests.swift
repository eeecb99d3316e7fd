import ApusCore
import ApusTLS
import Glibc
import Loopback
import Testing

/// Which certificates are accepted, and with which verdict others are refused.
@Suite("section 2.2: certificates") struct TLSContextTrustTests {
    /// One certificate of the fixtures and OpenSSL's verdict on it.
    struct Case: CustomTestStringConvertible {
        let certificate: String
        let name: String
        let code: Int
        let depth: Int

        init(_ certificate: String, as name: String = "localhost", _ code: Int, depth: Int = 0) {
            self.certificate = certificate
            self.name = name
            self.code = code
            self.depth = depth
        }

        var testDescription: String { "\(certificate) as \(name)" }
    }

    static let refused = [
        Case("expired", 10),
        Case("not-yet-valid", 9),
        Case("wrong-host", 62),
        Case("no-san", as: "no-san", 62),
        Case("partial-wildcard", as: "foo.example.test", 62),
        Case("self-signed", 18),
        Case("untrusted", 19, depth: 1),
        Case("missing-intermediate", 20),
        Case("not-strict", 85),
        // A client's certificate is no server's.
        Case("client", as: "client.example.test", 26),
        Case("leaf", as: "example.org", 62),
        Case("leaf", as: "a.b.example.test", 62),
        Case("leaf", as: "127.0.0.2", 64),
        Case("leaf", as: "::2", 64),
    ]

    @Test(arguments: refused, [EngineTuning.TLS.Version.tls12, .tls13])
    func refuses(fault: Case, version: EngineTuning.TLS.Version) throws {
        let server = try TLSServerContext(
            certificate: fault.certificate, versions: version...version)
        let pair = try makePair(server, serverName: fault.name)
        let error = #expect(throws: TLSError.self) { try pair.handshake() }
        #expect(error?.kind == .verify(code: fault.code, depth: fault.depth))
        let subject = fault.depth == 0 ? fault.certificate : "Apus untrusted CA"
        #expect(error?.message.contains("CN=\(subject)") == true, "\(error?.message ?? "")")
        #expect(pair.client.facts == nil)
        #expect(pair.client.nextSession() == nil)
    }

    @Test func refusesAWeakKey() throws {
        let pair = try makePair(TLSServerContext(certificate: "weak-key", securityLevel: 0))
        expectFailure(.verify(code: 66, depth: 0)) { try pair.handshake() }
    }

    @Test(arguments: [
        "localhost", "LOCALHOST", "example.test", "a.example.test", "example.test.", "127.0.0.1",
        "::1", "0:0:0:0:0:0:0:1", "::1%lo",
    ])
    func accepts(name: String) throws {
        let pair = try makePair(TLSServerContext(), serverName: name)
        try pair.handshake()
        #expect(pair.client.facts?.peerSubject == "CN=leaf,O=Apus fixtures")
    }

    @Test(arguments: refused)
    func acceptsAnythingWhenVerificationIsSkipped(fault: Case) throws {
        var settings = trusting()
        settings.insecureSkipVerify = true
        let server = try TLSServerContext(certificate: fault.certificate)
        let pair = try makePair(server, settings: settings, serverName: fault.name)
        try pair.handshake()
        #expect(pair.client.facts != nil)
    }

    @Test func trustsTheRootsOfAText() throws {
        let server = try TLSServerContext(certificate: "untrusted")
        let roots = [FixturePaths.pem("ca"), FixturePaths.pem("untrusted-ca")].map(contents)
        var settings = EngineTuning.TLS()
        settings.roots = .pem("a comment\n" + roots.joined(separator: "\n"))
        try makePair(server, settings: settings).handshake()
        settings.roots = .pem(roots[0])
        let pair = try makePair(server, settings: settings)
        expectFailure(.verify(code: 19, depth: 1)) { try pair.handshake() }
    }

    @Test func trustsASelfSignedCertificateAmongTheRoots() throws {
        var settings = EngineTuning.TLS()
        settings.roots = .file(FixturePaths.pem("self-signed"))
        try makePair(TLSServerContext(certificate: "self-signed"), settings: settings).handshake()
    }

    @Test func theSystemDoesNotTrustTheFixtures() throws {
        let pair = try makePair(TLSServerContext(), settings: EngineTuning.TLS())
        expectFailure(.verify(code: 19, depth: 1)) { try pair.handshake() }
    }

    @Test(arguments: ["PEM bytes", "DER", "two in DER", "a DER file", "a source"])
    func rootsInEachForm(_ form: String) throws {
        let ca = try der(of: FixturePaths.pem("ca"))
        var settings = EngineTuning.TLS()
        let file = "/tmp/apus-test-roots-\(getpid())-\(UInt32.random(in: 0 ... .max)).der"
        defer { unlink(file) }
        switch form {
        case "PEM bytes": settings.roots = .bytes(bytes(of: FixturePaths.pem("ca")))
        case "DER": settings.roots = .bytes(ca)
        case "two in DER":
            let other = try der(of: FixturePaths.pem("untrusted-ca"))
            settings.roots = .bytes(Bytes(other.array + ca.array))
        case "a DER file":
            let stream = try #require(fopen(file, "w"))
            fwrite(ca.array, 1, ca.count, stream)
            fclose(stream)
            settings.roots = .file(file)
        default: settings.roots = .source(TLSSource { ca })
        }
        try makePair(TLSServerContext(), settings: settings).handshake()
        let untrusted = try makePair(
            TLSServerContext(certificate: "self-signed"), settings: settings)
        expectFailure(.verify(code: 18, depth: 0)) { try untrusted.handshake() }
    }

    @Test(arguments: [0, 1, 100, -1])
    func aCutOrPaddedDERIsRefusedWhole(_ cut: Int) throws {
        let ca = try der(of: FixturePaths.pem("ca"))
        var settings = EngineTuning.TLS()
        let broken = cut < 0 ? ca.array + [0] : Array(ca.array.prefix(cut))
        settings.roots = .bytes(Bytes(broken))
        expectFailure(.configuration) { _ = try TLSContext(settings, alpn: []) }
    }
}
