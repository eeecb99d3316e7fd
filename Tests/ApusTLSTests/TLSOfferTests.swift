import ApusCore
import ApusTLS
import Testing

/// What the first message of a handshake offers, by its bytes.
@Suite struct TLSOfferTests {
    @Test func onlyEllipticCurvesAndAuthenticatedEncryptionAreOffered() throws {
        let hello = try ClientHello(EngineTuning.TLS())
        // RFC 9325, section 4.2, without its DHE; RFC 8446 and RFC 7905.
        #expect(
            Set(hello.ciphers) == [
                0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0x00FF,
            ])
    }

    @Test func whatIsAskedForByNameIsOffered() throws {
        var settings = EngineTuning.TLS()
        settings.tls12CipherSuites = ["DHE-RSA-AES128-GCM-SHA256"]
        #expect(try ClientHello(settings).ciphers.contains(0x009E))
    }
}

/// The lists of a ClientHello (RFC 8446, section 4.1.2).
private struct ClientHello {
    var ciphers: [UInt16] = []

    init(_ settings: EngineTuning.TLS) throws {
        var settings = settings
        settings.insecureSkipVerify = true
        let engine = try TLSEngine(
            try TLSContext(settings, alpn: []), serverName: "name.test", session: nil)
        var bytes: [UInt8] = []
        _ = try engine.handshake([UInt8]().span.bytes, output: &bytes)
        // A record's head, a message's head, a version and 32 random bytes.
        var offset = 5 + 4 + 2 + 32
        func number(_ width: Int) -> Int {
            defer { offset += width }
            return bytes[offset..<offset + width].reduce(0) { $0 << 8 | Int($1) }
        }
        offset += number(1)
        ciphers = (0..<number(2) / 2).map { _ in UInt16(number(2)) }
    }
}
