import ApusCore
import ApusHTTP1
@testable import ApusHTTP2
@testable import ApusTunnel
import HTTPTypes
import Testing

/// Which rule a proxy's answer breaks, and its text.
@Suite struct TunnelBreachTests {
    @Test(
        arguments: [
            (.socks4Version, "the answer is not SOCKS 4"),
            (.socks4Code, "the reply's code is unknown"),
            (.greetingVersion, "the greeting's answer is not SOCKS 5"),
            (.passwordVersion, "the password's answer is not of version 1"),
            (.replyVersion, "the reply is not SOCKS 5"),
            (.addressType, "the reply's address type is unknown"),
            (.http1(.bareLineFeed), "a line ends in a bare LF"),
            (.http2(.status(7)), "the status code is 7"),
        ] as [(TunnelBreach, String)])
    func eachBreachHasItsText(breach: TunnelBreach, text: String) {
        #expect("\(breach)" == text)
    }

    @Test(
        arguments: [
            (.http1(.sectionBytes(.head, most: 9)), "the response head exceeds 9 bytes"),
            (.http2(.fields(most: 9)), "more than 9 fields"),
        ] as [(TunnelExcess, String)])
    func eachExcessHasItsText(excess: TunnelExcess, text: String) {
        #expect("\(excess)" == text)
    }

    // MARK: Which answer breaks which rule

    private func breach(_ handshake: TunnelHandshake, _ answer: [UInt8]) throws -> TunnelBreach? {
        var script = try TunnelScript(handshake)
        script.receive(answer)
        guard case .failed(.malformed(let breach)) = script.outcome else { return nil }
        return breach
    }

    @Test(
        arguments: [
            ([4], .socks4Version), ([0, 94], .socks4Code), ([0, 0], .socks4Code), ([0, 91], nil),
        ] as [([UInt8], TunnelBreach?)])
    func socks4(answer: [UInt8], expected: TunnelBreach?) throws {
        let target = SOCKSTarget.name("a.b", port: 443)
        #expect(try breach(.socks4a(to: target, credentials: nil), answer) == expected)
    }

    @Test(
        arguments: [
            ([4], .greetingVersion), ([5, 2, 5], .passwordVersion), ([5, 0, 4], .replyVersion),
            ([5, 0, 5, 0, 0, 2], .addressType), ([5, 0, 5, 1], nil),
        ] as [([UInt8], TunnelBreach?)])
    func socks5(answer: [UInt8], expected: TunnelBreach?) throws {
        let target = SOCKSTarget.name("a.b", port: 443)
        let credentials = try ProxyCredentials(user: "user", password: "word")
        #expect(try breach(.socks5(to: target, credentials: credentials), answer) == expected)
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\n\n", .http1(.bareLineFeed)),
            ("SSH-2.0-a\r\n", .http1(.otherProtocol)),
            ("HTTP/1.1 101 No\r\nUpgrade: a\r\n\r\n", .http1(.upgradeNotRequested)),
        ] as [(String, TunnelBreach)])
    func connect(answer: String, expected: TunnelBreach) throws {
        let handshake = TunnelHandshake.connect(to: "a:443", fields: [:], limits: .init())
        #expect(try breach(handshake, Array(answer.utf8)) == expected)
    }

    @Test func aBoundOnTheAnswerIsNamed() throws {
        var limits = EngineTuning.Limits()
        limits.headFields = 2
        var script = try TunnelScript(.connect(to: "a:443", fields: [:], limits: limits))
        script.receive(Array("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\n\r\n".utf8))
        #expect(
            script.outcome == .failed(.tooLarge(.http1(.sectionFields(.head, most: 2)))))
    }

    @Test func aBreachOfHTTP2IsItsStreams() throws {
        let handshake = try TunnelHandshake.http2Connect(
            to: "a:443", fields: [:], EngineTuning.HTTP2(), limits: EngineTuning.Limits())
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        // A literal `:status` of "099".
        let head: [UInt8] = [0, 0, 5, 1, 4, 0, 0, 0, 1, 0x08, 3, 0x30, 0x39, 0x39]
        #expect(try breach(handshake, settings + head) == .http2(.status(99)))
    }

    @Test(arguments: [
        (HTTP2Error(.protocolViolation(code: 1)), "error 1"),
        (HTTP2Error(.abuse(.pings)), "the peer floods the connection: PING"),
    ])
    func aBreachOfTheSessionHasItsText(error: HTTP2Error, text: String) {
        #expect(TunnelError(error) == .malformed(.http2Session(error)))
        #expect("\(TunnelBreach.http2Session(error))" == text)
    }

    @Test func aRequestThatTheProxyDoesNotTakeIsTooLarge() {
        let error = HTTP2Error(.tooLarge, .size(.fields, 12, most: 9))
        #expect(TunnelError(error) == .tooLarge(.request(error)))
        #expect("\(TunnelExcess.request(error))" == "the request's fields are 12 bytes of 9")
    }

    @Test(arguments: [HTTP2Error.Kind.closing, .streamsExhausted, .ended(code: 0)])
    func aSessionThatIsOverIsClosed(_ kind: HTTP2Error.Kind) {
        #expect(TunnelError(HTTP2Error(kind)) == .closed)
    }
}
