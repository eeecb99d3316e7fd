import Apus
import Loopback
import Testing

/// A raw duplex after a 101 or a 2xx to CONNECT: what comes, what goes, and how it ends.
@Suite(.timeLimit(.minutes(5))) struct DuplexTests {
    @Test(arguments: DuplexWay.allCases)
    func bytesGoBothWaysAndEachSideEndsByItself(_ variant: DuplexWay) async throws {
        let script =
            try variant.agreement(tail: "first") + [
                .expectBytes(5), .sendText("second"), variant.peersEnd, .expectBytes(6),
                .readUntilEnd,
            ]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(variant)
            #expect(stand.engine.snapshot().leased == 1)
            #expect(stand.engine.snapshot().idle == 0)
            // Bytes that followed the answer come first.
            #expect(try await duplex.read(atLeast: 5) == "first")
            try await duplex.write(Bytes("hello"))
            #expect(try await duplex.read(atLeast: 100) == "second")
            #expect(try await duplex.read() == nil)
            #expect(try await duplex.read() == nil)
            // The peer has ended its side; ours goes on.
            try await duplex.write(Bytes("after"))
            #expect(stand.engine.snapshot().leased == 1)
            try await duplex.finish()
            try await duplex.finish()
            #expect(await stand.peer.connection(0) { $0.hasEnded && $0.isClosed })
            try await stand.expectNothingLeft()
            #expect(stand.closes.all == [.upgraded])
            #expect(stand.peer.transcript(0).text.hasSuffix("\r\n\r\nhelloafter"))
            let error = await transportError { try await duplex.write(Bytes("late")) }
            #expect(error?.kind.name == "invalidRequest")
            #expect(try await duplex.read() == nil)
        }
    }

    @Test(arguments: DuplexWay.allCases)
    func ourEndLeavesTheReadingOpen(_ variant: DuplexWay) async throws {
        let script =
            try variant.agreement() + [
                .expectBytes(3), .readUntilEnd, .sendText("the answer"), variant.peersEnd,
            ]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(variant)
            try await duplex.write(Bytes("ask"))
            try await duplex.finish()
            #expect(try await duplex.read(atLeast: 100) == "the answer")
            #expect(try await duplex.read() == nil)
            try await stand.expectNothingLeft()
            #expect(stand.closes.all == [.upgraded])
        }
    }

    @Test func theRequestSaysWhatItAsksForAndNothingElse() async throws {
        let scripts = try [
            DuplexWay.upgrade.agreement() + [.readUntilEnd],
            DuplexWay.connect.agreement() + [.readUntilEnd],
        ]
        try await withFaultStand(scripts) { stand in
            for variant in [DuplexWay.upgrade, .connect] { try await stand.duplex(variant).close() }
            #expect(await stand.peer.connection(1) { $0.isClosed })
            #expect(
                stand.peer.transcript(0).text == """
                    GET /chat HTTP/1.1\r
                    Host: localhost:\(stand.peer.port)\r
                    Connection: Upgrade\r
                    Upgrade: x/1, echo\r
                    \r\n
                    """)
            #expect(
                stand.peer.transcript(1).text == """
                    CONNECT target.test:443 HTTP/1.1\r
                    Host: target.test:443\r
                    \r\n
                    """)
        }
    }

    // MARK: Refusals

    @Test func aRefusedUpgradeIsAnOrdinaryAnswerAndTheConnectionIsKept() async throws {
        let refusal =
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nContent-Length: 6\r\n\r\nnot so"
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText(refusal), .expectHead, .sendText(refusal), .readUntilEnd,
        ]
        try await withFaultStand([script]) { stand in
            for isReused in [false, true] {
                let (request, options) = try stand.duplexRequest(.upgrade)
                let response = try await stand.engine.send(request, options: options)
                #expect(response.status.code == 426)
                #expect(response.duplex == nil)
                #expect(response.info.isReused == isReused)
                #expect(String(try await response.body.collect(upTo: 100)) == "not so")
            }
            #expect(stand.engine.snapshot().idle == 1)
        }
    }

    @Test func aRefusedConnectIsAnOrdinaryAnswer() async throws {
        let refusal = "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
        try await withFaultStand([[.expectHead, .sendText(refusal), .readUntilEnd]]) { stand in
            let (request, options) = try stand.duplexRequest(.connect)
            let response = try await stand.engine.send(request, options: options)
            #expect(response.status.code == 403)
            #expect(response.duplex == nil)
            #expect(String(try await response.body.collect(upTo: 100)) == "no")
        }
    }

    @Test("row 30: a 101 to another protocol, or to a request that asked for none")
    func row30() async throws {
        let other = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        let script: [ScriptedPeer.Step] = [.expectHead, .sendText(other), .readUntilEnd]
        try await withFaultStand([script, script]) { stand in
            let (request, options) = try stand.duplexRequest(.upgrade)
            for asked in [options, RequestOptions()] {
                let error = await transportError {
                    _ = try await stand.engine.send(request, options: asked)
                }
                #expect(error?.kind == .malformed)
            }
            #expect(stand.closes.all == [.protocolViolation, .protocolViolation])
        }
    }

    /// A request that could be meant in two ways.
    struct Ambiguity: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var variant = DuplexWay.upgrade
        let field: String
        var body = RequestBody.empty
        var change: @Sendable (inout HTTPRequest, inout RequestOptions) throws -> Void = { _, _ in }
    }

    static let ambiguities: [Ambiguity] = [
        Ambiguity(testDescription: "an upgrade over h2 alone", field: "versions") {
            $1.versions = .http2Only
        },
        Ambiguity(testDescription: "CONNECT over h2 alone", variant: .connect, field: "versions") {
            $1.versions = .http2Only
        },
        Ambiguity(
            testDescription: "an upgrade with a body", field: "body", body: .bytes(Bytes("x"))),
        Ambiguity(
            testDescription: "CONNECT with a body", variant: .connect, field: "body",
            body: .bytes(Bytes("x"))),
        Ambiguity(testDescription: "an upgrade to nothing", field: "upgrade") {
            $1.upgrade = ""
        },
        Ambiguity(testDescription: "an upgrade to no token", field: "upgrade") {
            $1.upgrade = "a b"
        },
        Ambiguity(testDescription: "an upgrade that splits", field: "upgrade") {
            $1.upgrade = "a\r\nX: y"
        },
        Ambiguity(testDescription: "CONNECT and an upgrade", variant: .connect, field: "upgrade") {
            $1.upgrade = "websocket"
        },
        Ambiguity(testDescription: "CONNECT by a proxy", variant: .connect, field: "proxy") {
            $1.connectTo = nil
            $1.proxy = try ProxySetting(parsing: "http://127.0.0.1:1")
        },
        Ambiguity(testDescription: "CONNECT with a path", variant: .connect, field: "path") {
            $0.path = "/"
            _ = $1
        },
        Ambiguity(testDescription: "CONNECT without a port", variant: .connect, field: "host") {
            $0.authority = "target.test"
            _ = $1
        },
        Ambiguity(testDescription: "CONNECT with an empty port", variant: .connect, field: "host") {
            $0.authority = "[::1]:"
            _ = $1
        },
        Ambiguity(
            testDescription: "CONNECT with a length", variant: .connect, field: "content-length"
        ) {
            $0.headerFields[.contentLength] = "0"
            _ = $1
        },
    ]

    @Test(arguments: ambiguities)
    func whatCouldBeMeantInTwoWaysIsNotDialled(_ sample: Ambiguity) async throws {
        try await withFaultStand([]) { stand in
            var (request, options) = try stand.duplexRequest(sample.variant)
            try sample.change(&request, &options)
            let error = await transportError {
                _ = try await stand.engine.send(request, body: sample.body, options: options)
            }
            guard case .invalidRequest(let invalid)? = error?.kind else {
                Issue.record("not refused: \(String(describing: error))")
                return
            }
            #expect(invalid.field == sample.field)
            #expect(stand.engine.snapshot().counters.dials == 0)
        }
    }

    // MARK: The way there

    @Test func anUpgradeSpeaksHTTP1ToAPeerThatPrefersHTTP2() async throws {
        try await withStand(.http2OverTLS) { stand in
            var options = RequestOptions()
            let plain = try await stand.engine.send(.get(stand.url("/bytes/1")), options: options)
            #expect(plain.version == .http2)
            options.upgrade = "websocket"
            let response = try await stand.engine.send(
                .get(stand.url("/bytes/1")), options: options)
            #expect(response.version == .http1)
            #expect(response.duplex == nil)
            _ = try await response.body.collect(upTo: 1)
        }
    }

    @Test func anHTTPProxyTunnelsAnUpgradeInsteadOfForwardingIt() async throws {
        let script = try DuplexWay.upgrade.agreement(tail: "hi") + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let proxy = try LoopbackConnectProxy()
            defer { proxy.stop() }
            var (request, options) = try stand.duplexRequest(.upgrade)
            options.proxy = try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)")
            let response = try await stand.engine.send(request, options: options)
            let duplex = try #require(response.duplex)
            #expect(try await duplex.read(atLeast: 2) == "hi")
            #expect(proxy.connectRequests.count == 1)
            #expect(stand.peer.transcript(0).text.hasPrefix("GET /chat HTTP/1.1\r\n"))
            duplex.close()
            try await stand.expectNothingLeft()
        }
    }
}
