import ApusWebSocket
import Testing

@Suite struct HandshakeKeyTests {
    /// RFC 6455, section 1.3.
    @Test func theExampleOfTheRFC() {
        let key = HandshakeKey(text: "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(key.accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test func aKeyIsSixteenRandomBytes() {
        var random = SeededGenerator(1)
        let key = HandshakeKey(using: &random)
        #expect(key.text.utf8.count == 24)
        #expect(key.text.hasSuffix("=="))
        #expect(HandshakeKey(using: &random) != key)
        var again = SeededGenerator(1)
        #expect(HandshakeKey(using: &again) == key)
    }
}
