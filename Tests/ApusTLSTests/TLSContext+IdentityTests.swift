import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback
import Testing

/// Each form in which an identity can be given.
@Suite struct TLSContextIdentityTests {
    typealias Identity = EngineTuning.TLS.Identity

    init() throws {
        try FixturePaths.ensureCertificates()
    }

    private static let chain = FixturePaths.certificate("client").chain
    private static let key = FixturePaths.certificate("client").key
    private static let store = FixturePaths.certificate("client.p12").key
    private static let locked = FixturePaths.certificate("locked")

    /// Each form of the same pair, made when the files are there.
    static let good: [(String, @Sendable () -> Identity)] = [
        ("files", { Identity(certificateFile: chain, keyFile: key) }),
        ("bytes", { Identity(certificate: bytes(of: chain), key: bytes(of: key)) }),
        (
            "one text",
            {
                let both = Bytes(bytes(of: key).array + bytes(of: chain).array)
                return Identity(certificate: both, key: both)
            }
        ),
        ("PKCS#12 file", { Identity(pkcs12File: store, password: "secret") }),
        ("PKCS#12", { Identity(pkcs12: bytes(of: store), password: "secret") }),
        (
            "a source of PEM",
            { Identity(TLSSource { Bytes(bytes(of: chain).array + bytes(of: key).array) }) }
        ),
        (
            "a source of PKCS#12",
            { Identity(TLSSource { bytes(of: store) }, password: "secret") }
        ),
        (
            "a locked key",
            { Identity(certificateFile: locked.chain, keyFile: locked.key, password: "secret") }
        ),
    ]

    @Test(arguments: good.map(\.0))
    func isPresented(_ form: String) throws {
        let make = try #require(Self.good.first { $0.0 == form }?.1)
        var settings = trusting()
        settings.identity = make()
        let server = try TLSServerContext(requiresClientCertificate: true)
        let pair = try makePair(server, settings: settings)
        try pair.handshake()
        try pair.deliver()
        #expect(SSL_get0_peer_certificate(pair.server) != nil)
        // What leads to the root goes along.
        #expect(apus_x509_count(SSL_get_peer_cert_chain(pair.server)) == 1)
    }

    static let bad: [(String, String, @Sendable () -> Identity)] = [
        ("no certificate", "certificate", { Identity(certificate: .empty, key: bytes(of: key)) }),
        ("no key", "key", { Identity(certificate: bytes(of: chain), key: bytes(of: chain)) }),
        (
            "another's key", "key",
            {
                let other = FixturePaths.certificate("other-client").key
                return Identity(certificate: bytes(of: chain), key: bytes(of: other))
            }
        ),
        (
            "a wrong password", "key file",
            { Identity(certificateFile: locked.chain, keyFile: locked.key, password: "wrong") }
        ),
        (
            "no password", "key file",
            { Identity(certificateFile: locked.chain, keyFile: locked.key) }
        ),
        (
            "a wrong password of PKCS#12", "PKCS#12",
            { Identity(pkcs12: bytes(of: store), password: "wrong") }
        ),
        ("no PKCS#12", "PKCS#12", { Identity(pkcs12: Bytes("nothing")) }),
        ("an empty PKCS#12", "PKCS#12", { Identity(pkcs12: .empty) }),
        ("a missing PKCS#12 file", "/nowhere", { Identity(pkcs12File: "/nowhere") }),
        (
            "a source that fails", "identity source",
            { Identity(TLSSource { throw CancellationError() }) }
        ),
        ("a source of nothing", "identity source", { Identity(TLSSource { .empty }) }),
    ]

    @Test(arguments: bad.map(\.0))
    func isRefusedBeforeAnythingIsDialled(_ what: String) throws {
        let (_, words, make) = try #require(Self.bad.first { $0.0 == what })
        var settings = trusting()
        settings.identity = make()
        let error = #expect(throws: TLSError.self) { _ = try TLSContext(settings, alpn: []) }
        #expect(error?.kind == .configuration)
        #expect(error?.message.contains(words) == true, "\(error as Any)")
        #expect(error?.message.contains("secret") == false)
        #expect(error?.message.contains("wrong") == false)
    }
}
