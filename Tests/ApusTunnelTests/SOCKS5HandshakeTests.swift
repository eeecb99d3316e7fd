import ApusCore
import ApusTunnel
import Testing

/// A SOCKS proxy's bytes, and what must come of them.
private struct Dialogue: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let outcome: String
    var hasCredentials = false
    /// The proxy closes the connection after its bytes.
    var isClosed = false

    init(
        _ name: String, _ bytes: [UInt8], _ outcome: String, hasCredentials: Bool = false,
        isClosed: Bool = false
    ) {
        testDescription = name
        self.bytes = bytes
        self.outcome = outcome
        self.hasCredentials = hasCredentials
        self.isClosed = isClosed
    }
}

/// SOCKS 5: the exact bytes of both sides, whole and byte by byte.
@Suite("section 2.4: SOCKS 5") struct SOCKS5HandshakeTests {
    private let name = SOCKSTarget.name("example.com", port: 443)
    private let nameRequest: [UInt8] = [5, 1, 0, 3, 11] + Array("example.com".utf8) + [1, 0xBB]

    // MARK: What is sent

    @Test func withoutCredentialsOneMethodIsOffered() throws {
        for step in steps {
            var script = try TunnelScript(try .socks5(to: name, credentials: nil))
            #expect(script.sent == [5, 1, 0])
            script.receive([5, 0], step: step)
            #expect(script.sent == [5, 1, 0] + nameRequest)
            script.receive(bound, step: step)
            #expect(script.sent == [5, 1, 0] + nameRequest)
            #expect(script.outcome == .established)
        }
    }

    @Test func withCredentialsTheProxyMayAskForThem() throws {
        let password: [UInt8] = [1, 4] + Array("user".utf8) + [6] + Array("pass:w".utf8)
        for step in steps {
            var script = try TunnelScript(try .socks5(to: name, credentials: try credentials()))
            #expect(script.sent == [5, 2, 0, 2])
            script.receive([5, 2], step: step)
            #expect(script.sent == [5, 2, 0, 2] + password)
            script.receive([1, 0], step: step)
            #expect(script.sent == [5, 2, 0, 2] + password + nameRequest)
            script.receive(bound, step: step)
            #expect(script.outcome == .established)
        }
    }

    @Test func credentialsAreNotSentUnlessTheProxyAsks() throws {
        var script = try TunnelScript(try .socks5(to: name, credentials: try credentials()))
        script.receive([5, 0] + bound)
        #expect(script.sent == [5, 2, 0, 2] + nameRequest)
        #expect(script.outcome == .established)
    }

    @Test(arguments: [
        (SOCKSTarget.ipv4([127, 0, 0, 1], port: 80), [5, 1, 0, 1, 127, 0, 0, 1, 0, 80]),
        (.ipv4([255, 1, 2, 3], port: 65535), [5, 1, 0, 1, 255, 1, 2, 3, 0xFF, 0xFF]),
        (
            .ipv6([0xFE, 0x80] + Array(1...14), port: 258),
            [5, 1, 0, 4, 0xFE, 0x80] + Array(1...14) + [1, 2]
        ),
        (.name("h", port: 1), [5, 1, 0, 3, 1, 0x68, 0, 1]),
    ])
    func theRequestNamesTheTarget(target: SOCKSTarget, bytes: [UInt8]) throws {
        var script = try TunnelScript(try .socks5(to: target, credentials: nil))
        script.receive([5, 0])
        #expect(Array(script.sent.dropFirst(3)) == bytes)
    }

    @Test func aNameHas1To255Bytes() throws {
        let longest = String(repeating: "a", count: 255)
        var script = try TunnelScript(
            try .socks5(to: .name(longest, port: 443), credentials: nil))
        script.receive([5, 0])
        let request = [5, 1, 0, 3, 255] + [UInt8](repeating: 0x61, count: 255) + [1, 0xBB]
        #expect(Array(script.sent.dropFirst(3)) == request)

        for bad in [longest + "a", String(repeating: "a", count: 300), ""] {
            let error = #expect(throws: TunnelError.self) {
                try TunnelHandshake.socks5(to: .name(bad, port: 443), credentials: nil)
            }
            #expect(error?.name == "invalid")
        }
    }

    @Test func aUserAndAPasswordMayHave255Bytes() throws {
        let longest = String(repeating: "x", count: 255)
        let credentials = try ProxyCredentials(user: longest, password: longest)
        var script = try TunnelScript(try .socks5(to: name, credentials: credentials))
        script.receive([5, 2])
        let part = [255] + [UInt8](repeating: 0x78, count: 255)
        #expect(Array(script.sent.dropFirst(4)) == [1] + part + part)
    }

    // MARK: What comes back

    @Test(arguments: accepted + refused + malformed)
    fileprivate func eachDialogueComesOutTheSameWholeAndByteByByte(_ dialogue: Dialogue) throws {
        for step in steps {
            let credentials = dialogue.hasCredentials ? try credentials() : nil
            var script = try TunnelScript(try .socks5(to: name, credentials: credentials))
            script.receive(dialogue.bytes, step: step)
            if dialogue.isClosed { script.end() }
            #expect(script.outcome.name == dialogue.outcome, "step \(step): \(script.outcome)")
        }
    }

    @Test(arguments: 1...255 as ClosedRange<UInt8>)
    func eachReplyCodeIsHandedOn(code: UInt8) throws {
        for step in steps {
            var script = try TunnelScript(try .socks5(to: name, credentials: nil))
            script.receive([5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], step: step)
            #expect(script.outcome == .failed(.reply(code)), "step \(step)")
        }
    }

    @Test func bytesAfterTheReplyBelongToTheTunnel() throws {
        let early: [UInt8] = [5, 0, 0x16, 3, 1]
        for step in steps {
            var script = try TunnelScript(try .socks5(to: name, credentials: nil))
            script.receive([5, 0] + bound + early, step: step)
            #expect(script.outcome == .established(early: early), "step \(step)")
        }
    }

    @Test func anEndAnywhereBeforeTheReplyIsAnEarlyClose() throws {
        let dialogue: [UInt8] = [5, 2, 1, 0] + bound
        for count in 0..<dialogue.count {
            var script = try TunnelScript(try .socks5(to: name, credentials: try credentials()))
            script.receive(Array(dialogue.prefix(count)))
            script.end()
            #expect(script.outcome == .failed(.closed), "after \(count) bytes")
        }
    }

    // MARK: Secrets

    @Test func noDescriptionHoldsCredentials() throws {
        var handshake = try TunnelHandshake.socks5(to: name, credentials: try credentials())
        var (sent, offset): ([UInt8], Int) = ([], 0)
        try handshake.start(output: &sent)
        let progress = try [5, 2].withSpan { span in
            try handshake.bytesReceived(span, offset: &offset, output: &sent)
        }
        #expect(progress == .needsBytes)
        for text in ["\(handshake)", String(reflecting: handshake), "\(handshake.streamEnded())"] {
            #expect(!text.contains("user") && !text.contains("pass:w"), "\(text)")
        }
    }

    private func credentials() throws -> ProxyCredentials {
        try ProxyCredentials(user: "user", password: "pass:w")
    }
}

/// A reply of success, bound to 0.0.0.0:0.
private let bound: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]

private let accepted = [
    Dialogue("bound to IPv4", [5, 0, 5, 0, 0, 1, 10, 0, 0, 1, 1, 2], "established 0"),
    Dialogue(
        "bound to IPv6", [5, 0, 5, 0, 0, 4] + [UInt8](repeating: 9, count: 16) + [1, 2],
        "established 0"),
    Dialogue("bound to a name", [5, 0, 5, 0, 0, 3, 2, 0x61, 0x62, 1, 2], "established 0"),
    Dialogue("bound to a name of no bytes", [5, 0, 5, 0, 0, 3, 0, 1, 2], "established 0"),
    Dialogue(
        "bound to a name of 255 bytes",
        [5, 0, 5, 0, 0, 3, 255] + [UInt8](repeating: 0x61, count: 255) + [1, 2], "established 0"),
    Dialogue("a password", [5, 2, 1, 0] + bound, "established 0", hasCredentials: true),
    Dialogue("credentials not wanted", [5, 0] + bound, "established 0", hasCredentials: true),
    Dialogue(
        "a reserved byte that is not zero", [5, 0, 5, 0, 7] + bound.dropFirst(3), "established 0"),
    Dialogue("half a reply", [5, 0, 5, 0, 0, 1, 10], "needsBytes"),
    Dialogue(
        "a name but not its port", [5, 0, 5, 0, 0, 3, 2, 0x61, 0x62, 1], "needsBytes"),
]

private let refused = [
    Dialogue("no method will do", [5, 0xFF], "methodRefused 255"),
    Dialogue(
        "no method will do, with credentials", [5, 0xFF], "methodRefused 255",
        hasCredentials: true),
    Dialogue("a password that we lack", [5, 2], "methodRefused 2"),
    Dialogue("a method that was not offered", [5, 1], "methodRefused 1"),
    Dialogue(
        "a method that was not offered, with credentials", [5, 1], "methodRefused 1",
        hasCredentials: true),
    Dialogue(
        "the password is refused", [5, 2, 1, 1], "authenticationRefused", hasCredentials: true),
    Dialogue(
        "the password is refused with 255", [5, 2, 1, 255], "authenticationRefused",
        hasCredentials: true),
    Dialogue("a refusal cut short after its code", [5, 0, 5, 2], "reply 2", isClosed: true),
    Dialogue("a refusal, bound to a name", [5, 0, 5, 5, 0, 3, 1, 0x61, 0, 0], "reply 5"),
    Dialogue(
        "a refusal, bound to IPv6", [5, 0, 5, 4, 0, 4] + [UInt8](repeating: 0, count: 18), "reply 4"
    ),
]

private let malformed = [
    Dialogue("version 4 in the greeting", [4, 0], "malformed"),
    Dialogue("version 0 in the greeting", [0, 0], "malformed"),
    Dialogue("HTTP in the greeting", Array("HTTP/1.1 400 Bad\r\n\r\n".utf8), "malformed"),
    Dialogue(
        "version 5 in the password's answer", [5, 2, 5, 0], "malformed", hasCredentials: true),
    Dialogue("version 4 in the reply", [5, 0, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0], "malformed"),
    Dialogue("version 4 in a reply that goes no further", [5, 0, 4], "malformed"),
    Dialogue("an unknown address type", [5, 0, 5, 0, 0, 2, 0, 0, 0], "malformed"),
    Dialogue("address type 0", [5, 0, 5, 0, 0, 0, 0, 0, 0], "malformed"),
    Dialogue("closed at once", [], "closed", isClosed: true),
    Dialogue("closed in the greeting", [5], "closed", isClosed: true),
    Dialogue("closed within the reply", [5, 0, 5, 0, 0, 1], "closed", isClosed: true),
]
