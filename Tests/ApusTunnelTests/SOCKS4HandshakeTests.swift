import ApusCore
import ApusTunnel
import Testing

/// SOCKS 4a: one request, one answer of eight bytes.
@Suite struct SOCKS4HandshakeTests {
    private let name = SOCKSTarget.name("a.b", port: 443)

    @Test func aNameGoesAfterTheUser() throws {
        let credentials = try ProxyCredentials(user: "me", password: "")
        let script = try TunnelScript(try .socks4a(to: name, credentials: credentials))
        #expect(
            script.sent == [4, 1, 1, 0xBB, 0, 0, 0, 1] + Array("me\0a.b\0".utf8))
    }

    @Test func anIPv4AddressGoesAsItIs() throws {
        let target = SOCKSTarget.ipv4([10, 0, 0, 9], port: 80)
        let script = try TunnelScript(try .socks4a(to: target, credentials: nil))
        #expect(script.sent == [4, 1, 0, 80, 10, 0, 0, 9, 0])
    }

    @Test func whatSOCKS4CannotNameIsRefused() {
        let targets: [SOCKSTarget] = [
            .ipv6([UInt8](repeating: 0, count: 16), port: 80), .name("", port: 80),
            .name("a\0b", port: 80), .name(String(repeating: "a", count: 256), port: 80),
        ]
        for target in targets {
            let error = #expect(throws: TunnelError.self) {
                try TunnelHandshake.socks4a(to: target, credentials: nil)
            }
            #expect(error?.name == "invalid")
        }
    }

    @Test(
        arguments: [
            ([0, 90, 0, 0, 0, 0, 0, 0], "established 0"),
            ([0, 90, 1, 2, 3, 4, 5, 6, 0x16], "established 1"), ([0, 90, 0], "needsBytes"),
            ([0, 91], "reply 91"), ([0, 92, 0, 0], "reply 92"), ([0, 93], "reply 93"),
            ([0, 0], "malformed"), ([0, 94], "malformed"), ([4], "malformed"),
            ([5, 0], "malformed"),
            ([0x48, 0x54, 0x54, 0x50], "malformed"),
        ] as [([UInt8], String)])
    func eachAnswerHasOneOutcomeHoweverItIsCut(answer: [UInt8], outcome: String) throws {
        for step in steps {
            var script = try TunnelScript(try .socks4a(to: name, credentials: nil))
            script.receive(answer, step: step)
            #expect(script.outcome.name == outcome, "step \(step)")
        }
    }

    @Test func anEndBeforeTheAnswerIsAnEarlyClose() throws {
        for count in 0..<8 {
            var script = try TunnelScript(try .socks4a(to: name, credentials: nil))
            script.receive(Array([0, 90, 0, 0, 0, 0, 0, 0].prefix(count)))
            script.end()
            #expect(script.outcome == .failed(.closed), "after \(count) bytes")
        }
    }
}
