import Apus
import ApusSocket
import Loopback
import Testing

/// Proxies that refuse, stall, break or die: rows 77 to 85.
@Suite(.timeLimit(.minutes(5))) struct DialProxyTests {
    @Test(
        "row 77: a 407 is reported with its challenge, and not repeated",
        arguments: [
            "Content-Length: 6\r\n\r\ndenied", "Connection: close\r\nContent-Length: 0\r\n\r\n",
            "Content-Length: 0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n6\r\ndenied\r\n0\r\n\r\n",
        ])
    func authenticationRequired(_ rest: String) async throws {
        let head = "HTTP/1.1 407 Proxy Authentication Required\r\n"
        let challenge = "Proxy-Authenticate: Basic realm=\"r\"\r\n"
        try await withProxy([.expectHead, .sendText(head + challenge + rest), .readUntilEnd]) {
            client, peer in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyStatus(407), "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
            let answer = error?.proxyAnswer
            #expect(answer?.status == 407)
            #expect(answer?.fields[.proxyAuthenticate] == "Basic realm=\"r\"")
            if rest.contains("denied") {
                #expect(answer.map { String($0.body) } == "denied")
            }
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "row 78: a refused CONNECT keeps the proxy's words, up to a bound", arguments: [403, 502])
    func refused(status: Int) async throws {
        let page = "<html>" + String(repeating: "x", count: 100_000)
        let head = "HTTP/1.1 \(status) No\r\nContent-Length: \(page.utf8.count)\r\n\r\n"
        try await withProxy([.expectHead, .sendText(head + page), .readUntilEnd]) { client, _ in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyStatus(status), "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
            let body = error?.proxyAnswer?.body
            #expect((body?.count ?? 0) == 16 * 1024)
            #expect(body.map { String($0).hasPrefix("<html>") } == true)
        }
    }

    @Test(
        "row 79: a proxy that leaves in the handshake",
        arguments: [
            [.expectHead, .close], [.expectHead, .reset], [.expectHead, .halfClose, .readUntilEnd],
            [.expectHead, .sendText("HTTP/1.1 2"), .close], [.close], [.expectBytes(1), .reset],
        ] as [[ScriptedPeer.Step]])
    func theProxyLeaves(_ script: [ScriptedPeer.Step]) async throws {
        try await withProxy(script) { client, _ in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyFailed, "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    /// It says "open" before it has dialled; the origin has no part in the failure.
    @Test(
        "E3: a tunnel that ends before any byte of the origin is the proxy's failure",
        arguments: ["http", "socks5h"], [ScriptedPeer.Step.close, .reset])
    func aTunnelThatEndsUnused(kind: String, ending: ScriptedPeer.Step) async throws {
        let opening: [ScriptedPeer.Step] =
            kind == "http"
            ? [.expectHead, .sendText("HTTP/1.1 200 OK\r\n\r\n")]
            : [
                .expectBytes(3), .send([5, 0]), .expectBytes(7),
                .send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            ]
        // The ClientHello has come when the tunnel ends.
        let peer = try ScriptedPeer([opening + [.expectBytes(100), ending]])
        defer { peer.stop() }
        try await withEngine { engine in
            let proxy = try ProxySetting(parsing: "\(kind)://127.0.0.1:\(peer.port)")
            let error = await dialError(
                ExecutorClient(engine, proxy: proxy), "https://name.test/")
            #expect(error?.kind == .proxyFailed, "\(String(describing: error))")
            #expect(error?.phase == .proxy && error?.hop == .proxy)
            #expect(error?.replay == .notSent && error?.advice == .sendAgainElsewhere)
            let message = error?.message ?? ""
            #expect(message.contains("opened the tunnel and ended it "), "\(message)")
            #expect(message.contains(" later, before any byte came through it"), "\(message)")
        }
    }

    @Test("row 79: a proxy that refuses the connection is reported as the hop that failed")
    func theProxyIsGone() async throws {
        let refusing = try RefusingPort()
        let port = refusing.port
        try await withEngine(ports: [port]) { engine in
            let setting = try ProxySetting(parsing: "http://127.0.0.1:\(port)")
            let error = await dialError(
                ExecutorClient(engine, proxy: setting), "https://name.test/")
            #expect(error?.kind == .connect(errno: 111), "\(String(describing: error))")
            #expect(error?.phase == .connect)
            #expect(error?.hop == .proxy)
            #expect(error?.attempts.map(\.address) == ["127.0.0.1:\(port)"])
        }
        withExtendedLifetime(refusing) {}
    }

    @Test("row 80: a proxy that answers byte by byte, and never ends, costs its budget")
    func aSlowProxy() async throws {
        var script: [ScriptedPeer.Step] = [.expectHead, .sendText("HTTP/1.1 200 OK\r\nX: ")]
        for _ in 0..<500 { script += [.sendText("x"), .pause(.milliseconds(10))] }
        var tuning = relaxedTuning
        tuning.dial.proxyTimeout = .milliseconds(100)
        try await withProxy(script, tuning) { client, peer in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
            #expect(descriptors(connectedTo: peer.port) == 0)
        }
    }

    @Test(
        "row 81: framing in a 2xx means nothing, and what follows is the tunnel's",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ])
    func aSuccessWithFraming(_ head: String) async throws {
        try await withStand(.http2OverTLS) { stand in
            var options = LoopbackConnectProxy.Options()
            options.establishedHead = head
            let proxy = try LoopbackConnectProxy(options)
            defer { proxy.stop() }
            let setting = try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)")
            let client = ExecutorClient(stand.engine, proxy: setting)
            try await expectStatus(200, client, stand.url("/bytes/1000"))
        }
    }

    @Test("row 81: bytes in the same packet as the 2xx are the tunnel's first")
    func bytesAfterTheAnswer() async throws {
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let answer: [UInt8] = [0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]
        try await withProxy([
            .expectHead, .send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + settings),
            .expectBytes(1000), .send(answer), .readUntilEnd,
        ]) { client, _ in
            var options = RequestOptions()
            options.versions = .http2Only
            let long = "http://name.test/" + String(repeating: "X", count: 1000)
            try await expectStatus(200, client, long, options: options)
        }
    }

    @Test(
        "row 81: an answer without bound, or with what no answer may hold",
        arguments: [
            ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 1 << 20), "tooLarge"),
            ("HTTP/1.1 200 OK\r\nX: a\u{0}b\r\n\r\n", "proxy"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "proxy"),
            ("\u{16}\u{3}\u{3}\u{0}\u{1}\u{0}\r\n\r\n", "proxy"),
        ])
    func anAnswerThatIsNone(_ text: String, _ kind: String) async throws {
        try await withProxy([.expectHead, .sendText(text), .readUntilEnd]) { client, _ in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind.name == kind, "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    @Test("row 82: a tunnel that dies while idle is noticed; one that dies in use is reported")
    func aDyingTunnel() async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackConnectProxy()
            defer { proxy.stop() }
            let setting = try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)")
            let client = ExecutorClient(
                stand.engine, proxy: setting, versions: stand.variant.versions)
            try await expectStatus(200, client, stand.url("/"))
            try await eventually("the idle tunnel is gone") {
                // The server may have answered and not yet called its connection idle.
                stand.server.closeIdleConnections()
                return stand.engine.snapshot().connections == 0
            }
            try await expectStatus(200, client, stand.url("/"))
            #expect(proxy.connectRequests.count == 2)
            let cut = await transportError {
                try await fetch(client, stand.url("/truncate/10000?notify=0"))
            }
            #expect(cut?.kind == .truncated, "\(String(describing: cut))")
            #expect(cut?.replay == .responseStarted)
            try await expectStatus(200, client, stand.url("/"))
        }
    }

    // MARK: SOCKS5

    @Test("row 84: each reply of a SOCKS proxy is reported by its code", arguments: UInt8(1)...9)
    func aSOCKSReply(_ code: UInt8) async throws {
        var options = LoopbackSOCKSProxy.Options()
        options.reply = code
        try await withSOCKS(options) { client, _ in
            let error = await dialError(client, "http://name.test/")
            #expect(error?.kind == .proxyReply(code), "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    @Test("row 84: a SOCKS proxy that takes none of our methods, or not the password")
    func noSOCKSMethod() async throws {
        var options = LoopbackSOCKSProxy.Options()
        options.method = 0xff
        try await withSOCKS(options) { client, _ in
            #expect(await dialError(client, "http://name.test/")?.kind == .proxyFailed)
        }
        options.method = 1
        try await withSOCKS(options) { client, _ in
            #expect(await dialError(client, "http://name.test/")?.kind == .proxyFailed)
        }
        options.method = nil
        options.credentials = .init(user: "u", password: "right")
        try await withSOCKS(options, credentials: "u:wrong@") { client, _ in
            let error = await dialError(client, "http://name.test/")
            #expect(error?.kind == .proxyFailed)
            #expect(error?.description.contains("wrong") == false)
        }
    }

    @Test(
        "row 84: SOCKS answers that are none, and an early end",
        arguments: [
            [.expectBytes(3), .send([4, 0]), .readUntilEnd],
            [.expectBytes(3), .sendText("HTTP/1.1 400 Bad Request\r\n\r\n"), .readUntilEnd],
            [
                .expectBytes(3), .send([5, 0]), .expectBytes(7), .send([5, 0, 0, 9]), .readUntilEnd,
            ],
            [
                .expectBytes(3), .send([5, 0]), .expectBytes(7), .send([4, 0, 0, 1]), .readUntilEnd,
            ],
            [.expectBytes(3), .send([5]), .close], [.expectBytes(3), .send([5, 0]), .reset],
            [.close],
        ] as [[ScriptedPeer.Step]])
    func aBrokenSOCKSAnswer(_ script: [ScriptedPeer.Step]) async throws {
        try await withProxy(script, scheme: "socks5h") { client, _ in
            let error = await dialError(client, "http://name.test/")
            #expect(error?.kind == .proxyFailed, "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    @Test(
        "row 84: a SOCKS proxy that stalls costs its budget",
        arguments: [
            [.silence], [.expectBytes(3), .send([5, 0]), .silence],
            [
                .expectBytes(3), .send([5, 0]), .expectBytes(7), .send([5, 0, 0, 1, 127]), .silence,
            ],
        ] as [[ScriptedPeer.Step]])
    func aStalledSOCKSProxy(_ script: [ScriptedPeer.Step]) async throws {
        var tuning = relaxedTuning
        tuning.dial.proxyTimeout = .milliseconds(50)
        try await withProxy(script, tuning, scheme: "socks5h") { client, _ in
            let error = await dialError(client, "http://name.test/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    @Test(
        "row 84: split bytes and each form of bound address are understood",
        arguments: LoopbackSOCKSProxy.BoundAddress.allCases, [true, false])
    func aSOCKSSuccess(_ form: LoopbackSOCKSProxy.BoundAddress, isSplit: Bool) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        var options = LoopbackSOCKSProxy.Options()
        options.boundAddress = form
        options.sendsByteByByte = isSplit
        try await withSOCKS(options) { client, _ in
            try await expectStatus(200, client, "http://name.test:\(server.port)/")
        }
    }

    @Test("row 84: a name that SOCKS cannot carry is refused before anything is dialled")
    func aLongNameForSOCKS() async throws {
        try await withSOCKS(.init()) { client, proxy in
            let label = String(repeating: "a", count: 60)
            let host = Array(repeating: label, count: 5).joined(separator: ".")
            do {
                try await fetch(client, "http://\(host)/")
                Issue.record("a name of \(host.utf8.count) bytes was accepted")
            } catch is InvalidRequest {
            } catch let error as TransportError {
                #expect(error.kind.name == "invalidRequest", "\(error)")
            }
            #expect(proxy.requests.isEmpty)
        }
    }

    @Test("row 85: different credentials are different connections, each with its own header")
    func differentCredentials() async throws {
        let server = try LoopbackServer()
        let proxy = try LoopbackConnectProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine(ports: [proxy.port]) { engine in
            for user in ["a", "b", "a", "b"] {
                let setting = try ProxySetting(parsing: "http://\(user):x@127.0.0.1:\(proxy.port)")
                let client = ExecutorClient(engine, proxy: setting)
                try await fetch(client, "http://127.0.0.1:\(server.port)/\(user)")
            }
            #expect(proxy.counters.connections == 2)
            // "a:x" and "b:x" in base64.
            for request in proxy.requests {
                let expected = request.contains("/a HTTP/1.1") ? "Basic YTp4" : "Basic Yjp4"
                #expect(request.contains(expected), "\(request)")
            }
            #expect(proxy.requests.count == 4)
        }
    }

    // MARK: Support

    private func withProxy(
        _ script: [ScriptedPeer.Step], _ tuning: EngineTuning = relaxedTuning,
        scheme: String = "http",
        _ body: (ExecutorClient, ScriptedPeer) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(everyConnection: script)
        defer { peer.stop() }
        try await withEngine(tuning, ports: [peer.port]) { engine in
            let setting = try ProxySetting(parsing: "\(scheme)://127.0.0.1:\(peer.port)")
            try await body(ExecutorClient(engine, proxy: setting), peer)
            #expect(engine.snapshot().waiting == 0)
            #expect(engine.snapshot().dialling == 0)
        }
    }

    private func withSOCKS(
        _ options: LoopbackSOCKSProxy.Options, credentials: String = "",
        _ body: (ExecutorClient, LoopbackSOCKSProxy) async throws -> Void
    ) async throws {
        let proxy = try LoopbackSOCKSProxy(options)
        defer { proxy.stop() }
        try await withEngine(ports: [proxy.port]) { engine in
            let setting = try ProxySetting(
                parsing: "socks5h://\(credentials)127.0.0.1:\(proxy.port)")
            try await body(ExecutorClient(engine, proxy: setting), proxy)
        }
    }
}
