import ApusCore
import ApusTLS
import Glibc
import Loopback
import Testing

/// Roots and identity as they are read: bounds and digests.
@Suite struct TLSMaterialTests {
    init() throws {
        try FixturePaths.ensureCertificates()
    }

    /// A path or a source may give anything, even bytes without end.
    @Test(arguments: [0, 1]) func whatIsReadIsBounded(excess: Int) throws {
        // Blank lines followed by a certificate: accepted up to the limit.
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
        let identity = FixturePaths.certificate("client")
        var file = trusting()
        file.roots = .file(FixturePaths.pem("ca"))
        var text = file
        text.roots = .pem(contents(of: FixturePaths.pem("ca")))
        #expect(try TLSMaterial(file).digest == TLSMaterial(text).digest)
        text.roots = .pem(contents(of: FixturePaths.pem("untrusted-ca")))
        #expect(try TLSMaterial(file).digest != TLSMaterial(text).digest)
        text = file
        text.identity = EngineTuning.TLS.Identity(
            certificateFile: identity.chain, keyFile: identity.key)
        #expect(try TLSMaterial(file).digest != TLSMaterial(text).digest)
    }
}
