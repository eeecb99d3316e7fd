import ApusCore
import ApusTunnel
import HTTPTypes
import Testing

/// CONNECT on a stream: what is asked, and every kind of answer, whole and byte by byte.
@Suite("section 2.4: CONNECT over HTTP/2") struct HTTP2ConnectHandshakeTests {
    /// A frame (RFC 9113, section 4.1).
    private static func frame(
        _ type: UInt8, _ flags: UInt8, stream: UInt8, _ payload: [UInt8]
    ) -> [UInt8] {
        let length = payload.count
        return [0, UInt8(length >> 8), UInt8(length & 0xFF), type, flags, 0, 0, 0, stream] + payload
    }

    private static let settings = frame(4, 0, stream: 0, [])

    /// HEADERS with a literal `:status` (RFC 7541, section 6.2.2).
    private static func head(
        _ status: String, ends: Bool = false, stream: UInt8 = 1, _ more: [UInt8] = []
    ) -> [UInt8] {
        let block = [0x08, UInt8(status.utf8.count)] + Array(status.utf8) + more
        return frame(1, ends ? 5 : 4, stream: stream, block)
    }

    private static func data(_ text: String, ends: Bool, stream: UInt8 = 1) -> [UInt8] {
        frame(0, ends ? 1 : 0, stream: stream, Array(text.utf8))
    }

    private static func reset(_ code: UInt8) -> [UInt8] {
        frame(3, 0, stream: 1, [0, 0, 0, code])
    }

    private func handshake(
        _ fields: HTTPFields = [:], maxBody: Int = 16 * 1024
    ) throws -> TunnelHandshake {
        var limits = EngineTuning.Limits()
        limits.proxyErrorBodyBytes = maxBody
        return try .http2Connect(
            to: "example.com:443", fields: fields, EngineTuning.HTTP2(), limits: limits)
    }

    /// What came of these bytes, fed whole and one by one.
    private func outcomes(of bytes: [UInt8], ends: Bool = false) throws -> [Outcome] {
        try [Int.max, 1].map { step in
            var script = try TunnelScript(try handshake())
            script.receive(bytes, step: step)
            if ends { script.end() }
            return script.outcome
        }
    }

    @Test func thePrefaceAndTheRequestAreSent() throws {
        let script = try TunnelScript(try handshake())
        #expect(script.sent.starts(with: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)))
    }

    @Test func aSuccessfulAnswerEstablishesTheTunnel() throws {
        for outcome in try outcomes(of: Self.settings + Self.head("200")) {
            #expect(outcome == .established)
        }
    }

    @Test func whatFollowsTheAnswerInTheSameReadStaysInTheSession() throws {
        let bytes = Self.settings + Self.head("200") + Self.data("hello", ends: false)
        var script = try TunnelScript(try handshake())
        script.receive(bytes)
        #expect(script.outcome == .established)
    }

    @Test func aRefusalIsReportedWithItsBody() throws {
        let bytes = Self.settings + Self.head("403") + Self.data("no", ends: true)
        let answer = TransportError.ProxyAnswer(status: 403, fields: [:], body: Bytes("no"))
        for outcome in try outcomes(of: bytes) { #expect(outcome == .failed(.refused(answer))) }
    }

    @Test func aRefusalIsReportedWhenTheConnectionEndsInItsBody() throws {
        let bytes = Self.settings + Self.head("403") + Self.data("n", ends: false)
        let answer = TransportError.ProxyAnswer(status: 403, fields: [:], body: Bytes("n"))
        for outcome in try outcomes(of: bytes, ends: true) {
            #expect(outcome == .failed(.refused(answer)))
        }
    }

    @Test func anAnswerThatEndsItsStreamIsNoTunnel() throws {
        for outcome in try outcomes(of: Self.settings + Self.head("200", ends: true)) {
            #expect(outcome == .failed(.closed))
        }
    }

    @Test(arguments: [UInt8(8), 13])
    func aResetIsReportedWithItsCode(_ code: UInt8) throws {
        for outcome in try outcomes(of: Self.settings + Self.reset(code)) {
            #expect(outcome == .failed(.streamReset(code: UInt32(code))))
        }
    }

    @Test(arguments: ["101", "2x0", "20"])
    func aMalformedStatusIsAnErrorAtOnce(_ status: String) throws {
        for outcome in try outcomes(of: Self.settings + Self.head(status)) {
            guard case .failed(.malformed) = outcome else {
                Issue.record("\(status): \(outcome)")
                continue
            }
        }
    }

    @Test func anEndBeforeTheAnswerIsAClosedConnection() throws {
        for outcome in try outcomes(of: Self.settings, ends: true) {
            #expect(outcome == .failed(.closed))
        }
    }

    @Test func aSecondCONNECTIsOnAnotherStreamWithItsOwnFields() throws {
        var handshake = try handshake()
        var output: [UInt8] = []
        try handshake.start(output: &output)
        let refusal = Self.settings + Self.head("407", ends: true)
        var offset = 0
        #expect(throws: TunnelError.self) {
            try refusal.withSpan { (span) throws(TunnelError) in
                _ = try handshake.bytesReceived(span, offset: &offset, output: &output)
            }
        }
        #expect(handshake.mayAskAgain)
        handshake.askAgain(with: [.proxyAuthorization: "Basic abc"])
        output = []
        try handshake.start(output: &output)
        let second = Self.head("200", stream: 3)
        offset = 0
        let progress = try second.withSpan { (span) throws(TunnelError) in
            try handshake.bytesReceived(span, offset: &offset, output: &output)
        }
        #expect(progress == .established)
        #expect(handshake.takesBytesOfTunnel)
    }

    @Test func noDescriptionShowsItsFields() throws {
        let handshake = try handshake([.proxyAuthorization: "Basic c2VjcmV0"])
        var dumped = ""
        dump(handshake, to: &dumped)
        for text in ["\(handshake)", String(reflecting: handshake), dumped] {
            #expect(!text.contains("c2VjcmV0"))
        }
    }

    @Test func noSecondCONNECTFollowsAGOAWAY() throws {
        var handshake = try handshake()
        var output: [UInt8] = []
        try handshake.start(output: &output)
        let goAway = Self.frame(7, 0, stream: 0, [0, 0, 0, 1, 0, 0, 0, 0])
        let answer = Self.settings + goAway
        var offset = 0
        _ = try answer.withSpan { (span) throws(TunnelError) in
            try handshake.bytesReceived(span, offset: &offset, output: &output)
        }
        #expect(!handshake.mayAskAgain)
    }
}
