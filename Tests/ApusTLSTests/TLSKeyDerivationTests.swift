import ApusCore
import ApusTLS
import CApusOpenSSL
import Glibc
import Loopback
import Testing

/// What an identity may cost the one thread that makes contexts, and what its password may be.
@Suite struct TLSKeyDerivationTests {
    private static let chain = FixturePaths.certificate("client").chain
    private static let key = FixturePaths.certificate("client").key
    /// One more than is done for an identity.
    private static let excess: Int32 = 2_000_001

    init() throws {
        try FixturePaths.ensureCertificates()
    }

    @Test(arguments: ["the key", "the certificates", "the digest"])
    func aStoreThatCostsTooMuchIsRefusedByItsNumber(_ part: String) throws {
        let cheap = try store(keyRounds: nil, certificateRounds: nil, digestRounds: 1)
        #expect(throws: Never.self) { try context(cheap) }
        let dear = try store(
            keyRounds: part == "the key" ? Self.excess : nil,
            certificateRounds: part == "the certificates" ? Self.excess : nil,
            digestRounds: part == "the digest" ? Self.excess : 1)
        let error = #expect(throws: TLSError.self) { try context(dear) }
        #expect(error?.kind == .configuration)
        #expect(error?.message.contains("rounds of key derivation") == true, "\(error as Any)")
    }

    @Test func aStoreOfOrdinaryCostIsTaken() throws {
        let store = try store(keyRounds: 600_000, certificateRounds: nil, digestRounds: 2048)
        #expect(throws: Never.self) { try context(store) }
    }

    @Test func aLockedKeyThatCostsTooMuchIsRefusedByItsNumber() throws {
        let algorithm = try require(
            PKCS5_pbe2_set(EVP_aes_256_cbc(), Self.excess, nil, 0).map { OpaquePointer($0) })
        defer { X509_ALGOR_free(UnsafeMutablePointer(algorithm)) }
        let text = try lockedKey(UnsafeMutablePointer(algorithm))
        var settings = trusting()
        settings.identity = .init(
            certificate: bytes(of: Self.chain), key: Bytes(text), password: "secret")
        let error = #expect(throws: TLSError.self) { _ = try TLSContext(settings, alpn: []) }
        #expect(error?.kind == .configuration)
        #expect(error?.message.contains("rounds of key derivation") == true, "\(error as Any)")
    }

    @Test(arguments: [true, false])
    func aPasswordWithAZeroByteIsRefused(_ isStore: Bool) throws {
        let locked = FixturePaths.certificate("locked")
        var settings = trusting()
        let password = "secret\u{0}and more"
        settings.identity =
            isStore
            ? .init(pkcs12File: FixturePaths.certificate("client.p12").key, password: password)
            : .init(certificateFile: locked.chain, keyFile: locked.key, password: password)
        let error = #expect(throws: TLSError.self) { _ = try TLSContext(settings, alpn: []) }
        #expect(error?.kind == .configuration)
        #expect(error?.message.contains("zero byte") == true, "\(error as Any)")
        #expect(error?.message.contains("secret") == false)
    }

    @Test func twoFilesWhoseNamesAreOneToUnicodeAreBothRead() throws {
        let base = "/tmp/apus-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let (certificate, key) = (base + "-\u{E9}", base + "-e\u{301}")
        defer {
            unlink(certificate)
            unlink(key)
        }
        for (path, source) in [(certificate, Self.chain), (key, Self.key)] {
            let content = bytes(of: source).array
            let file = try #require(fopen(path, "w"))
            fwrite(content, 1, content.count, file)
            fclose(file)
        }
        var settings = trusting()
        settings.identity = .init(certificateFile: certificate, keyFile: key)
        #expect(throws: Never.self) { _ = try TLSContext(settings, alpn: []) }
    }

    private func context(_ store: Bytes) throws {
        var settings = trusting()
        settings.identity = .init(pkcs12: store, password: "secret")
        _ = try TLSContext(settings, alpn: [])
    }

    /// The client's pair; a part without rounds is not encrypted.
    private func store(
        keyRounds: Int32?, certificateRounds: Int32?, digestRounds: Int32
    ) throws -> Bytes {
        let certificateFile = try require(BIO_new_file(Self.chain, "r"))
        let keyFile = try require(BIO_new_file(Self.key, "r"))
        defer {
            BIO_free(certificateFile)
            BIO_free(keyFile)
        }
        let certificate = try require(PEM_read_bio_X509(certificateFile, nil, nil, nil))
        let key = try require(PEM_read_bio_PrivateKey(keyFile, nil, nil, nil))
        defer {
            X509_free(certificate)
            EVP_PKEY_free(key)
        }
        let store = try require(
            PKCS12_create(
                "secret", "client", key, certificate, nil,
                keyRounds == nil ? -1 : NID_aes_256_cbc,
                certificateRounds == nil ? -1 : NID_aes_256_cbc,
                keyRounds ?? certificateRounds ?? 1, digestRounds, 0))
        defer { PKCS12_free(store) }
        return try encoded { i2d_PKCS12(store, $0) }
    }

    /// A PEM text that says how its key is locked; what it locks is no key.
    private func lockedKey(_ algorithm: UnsafeMutablePointer<X509_ALGOR>) throws -> [UInt8] {
        let algorithmBytes = try encoded { i2d_X509_ALGOR(algorithm, $0) }.array
        let locked = [UInt8](repeating: 7, count: 48)
        let content = algorithmBytes + [0x04, UInt8(locked.count)] + locked
        precondition(content.count < 256)
        let whole = [0x30, 0x81, UInt8(content.count)] + content
        let memory = try require(BIO_new(BIO_s_mem()))
        defer { BIO_free(memory) }
        _ = PEM_write_bio(memory, "ENCRYPTED PRIVATE KEY", "", whole, whole.count)
        var text = [UInt8](repeating: 0, count: 4096)
        let count = BIO_read(memory, &text, Int32(text.count))
        return Array(text.prefix(Int(max(0, count))))
    }

    private func encoded(
        _ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>) -> Int32
    ) throws -> Bytes {
        var start: UnsafeMutablePointer<UInt8>?
        let count = write(&start)
        guard let start, count > 0 else { throw ServerFailure() }
        defer { CRYPTO_free(start, nil, 0) }
        return Bytes(Array(UnsafeBufferPointer(start: start, count: Int(count))))
    }
}
