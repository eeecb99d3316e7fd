import ApusCore
import ApusTLS
import CApusOpenSSL
import Glibc
import Loopback
import Testing

/// Each form in which an identity or roots can be given.
@Suite struct TLSIdentityTests {
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

    /// What is behind a path or a source may be anything, also without an end.
    @Test(arguments: [0, 1]) func whatIsReadIsBounded(excess: Int) throws {
        // Blank lines, and behind them a certificate: good up to the bound.
        let ca = bytes(of: FixturePaths.pem("ca")).array
        let filler = TLSMaterial.maxBytes - ca.count + excess
        let text = Bytes([UInt8](repeating: 10, count: filler) + ca)
        let file = "/tmp/apus-test-large-\(getpid())-\(UInt32.random(in: 0 ... .max)).pem"
        defer { unlink(file) }
        let stream = try #require(fopen(file, "w"))
        fwrite(text.array, 1, text.count, stream)
        fclose(stream)
        for roots in [EngineTuning.TLS.Roots.file(file), .source(TLSSource { text })] {
            var settings = EngineTuning.TLS()
            settings.roots = roots
            guard excess > 0 else {
                #expect(throws: Never.self) { _ = try TLSContext(settings, alpn: []) }
                continue
            }
            let error = #expect(throws: TLSError.self) { _ = try TLSContext(settings, alpn: []) }
            #expect(error?.message.contains("larger than") == true)
        }
        var endless = EngineTuning.TLS()
        endless.roots = .file("/dev/zero")
        expectFailure(.configuration) { _ = try TLSContext(endless, alpn: []) }
    }

    @Test func equalBytesHaveEqualDigestsWhereverTheyCameFrom() throws {
        var file = trusting()
        file.roots = .file(FixturePaths.pem("ca"))
        var text = file
        text.roots = .pem(contents(of: FixturePaths.pem("ca")))
        #expect(try TLSMaterial(file).digest == TLSMaterial(text).digest)
        text.roots = .pem(contents(of: FixturePaths.pem("untrusted-ca")))
        #expect(try TLSMaterial(file).digest != TLSMaterial(text).digest)
        text = file
        text.identity = Identity(certificateFile: Self.chain, keyFile: Self.key)
        #expect(try TLSMaterial(file).digest != TLSMaterial(text).digest)
    }
}

/// The bytes of a file.
func bytes(of path: String) -> Bytes {
    var bytes: [UInt8] = []
    guard let file = fopen(path, "r") else { return .empty }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        guard count > 0 else { return Bytes(bytes) }
        bytes += buffer[..<count]
    }
}

/// The first certificate of a PEM file in DER.
func der(of path: String) throws -> Bytes {
    let file = try require(BIO_new_file(path, "r"))
    defer { BIO_free(file) }
    let certificate = try require(PEM_read_bio_X509(file, nil, nil, nil))
    defer { X509_free(certificate) }
    var start: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(certificate, &start)
    guard let start, count > 0 else { throw ServerFailure() }
    defer { CRYPTO_free(start, nil, 0) }
    return Bytes(Array(UnsafeBufferPointer(start: start, count: Int(count))))
}
