import Apus
import Loopback
import Testing

/// `dialTunnel(to:via:)`: a raw duplex through the layers of any connection.
@Suite(.timeLimit(.minutes(5))) struct TransportEngineTunnelTests {
    @Test("bytes go both ways through each kind of proxy", arguments: DialMatrixTests.Path.allCases)
    func throughEach(_ path: DialMatrixTests.Path) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine { engine in
            let proxies = try path.hops.enumerated().map { index, kind in
                try MatrixProxy(kind, number: index + 1, asksForLogin: true)
            }
            defer { for proxy in proxies { proxy.stop() } }
            let endpoints = try proxies.map { try $0.endpoint(.right) }
            let tunnel = try await engine.dialTunnel(
                to: "localhost:\(server.port)", via: endpoints.isEmpty ? .direct : .chain(endpoints)
            )
            #expect(engine.snapshot().exchanges == 1)
            try await tunnel.write(Bytes("GET /bytes/5 HTTP/1.1\r\nHost: a\r\n\r\n"))
            let first = try await tunnel.read(atLeast: 17)
            #expect(first.hasPrefix("HTTP/1.1 200 OK\r\n"))
            try await tunnel.write(
                Bytes("GET /close HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            var rest = ""
            while let piece = try await tunnel.read() { rest += String(piece) }
            #expect(rest.hasSuffix("hello\n"))
            try await tunnel.finish()
            try await eventually("the tunnel is gone") { engine.snapshot().connections == 0 }
            for proxy in proxies {
                #expect(proxy.hasSeenRightLogin)
                #expect(proxy.seen.count == 1)
                #expect(proxy.seen.allSatisfy { !$0.contains("GET ") })
            }
            #expect(server.counters.connectionsAccepted == 1)
        }
    }

    @Test(
        "R18: bytes after the CONNECT's answer, and a peer that sends first",
        arguments: [true, false])
    func earlyBytes(throughProxy: Bool) async throws {
        let banner = "220 ready\r\n"
        let script: [ScriptedPeer.Step] =
            throughProxy
            ? [.expectHead, .sendText("HTTP/1.1 200 OK\r\n\r\n" + banner), .readUntilEnd]
            : [.sendText(banner), .readUntilEnd]
        let peer = try ScriptedPeer(everyConnection: script)
        defer { peer.stop() }
        try await withEngine(ports: [peer.port]) { engine in
            let variant = try ProxySetting(parsing: "http://127.0.0.1:\(peer.port)")
            let tunnel = try await engine.dialTunnel(
                to: throughProxy ? "origin.test:25" : "127.0.0.1:\(peer.port)",
                via: throughProxy ? variant : .direct)
            #expect(try await tunnel.read(atLeast: banner.utf8.count) == banner)
            tunnel.close()
        }
    }

    @Test("R18: the CONNECT is exact, also to port 80, which is forwarded only as a request")
    func theConnect() async throws {
        let proxy = try LoopbackConnectProxy()
        let server = try LoopbackServer()
        defer {
            proxy.stop()
            server.stop()
        }
        try await withEngine(ports: [proxy.port]) { engine in
            let variant = try ProxySetting(
                parsing: "http://Aladdin:open%20sesame@127.0.0.1:\(proxy.port)")
            let tunnel = try await engine.dialTunnel(to: "127.0.0.1:\(server.port)", via: variant)
            tunnel.close()
            let target = "127.0.0.1:\(server.port)"
            #expect(
                proxy.requests == [
                    "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n"
                        + "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
                ])
        }
    }

    @Test("R20: no tunnel without its proxy; the error says what the proxy said")
    func noTunnel() async throws {
        var options = LoopbackConnectProxy.Options()
        options.refusal = 403
        options.refusalBody = "not through here"
        let proxy = try LoopbackConnectProxy(options)
        let server = try LoopbackServer()
        let refusing = try RefusingPort()
        defer {
            proxy.stop()
            server.stop()
        }
        try await withEngine(ports: [proxy.port, server.port]) { engine in
            let target = "127.0.0.1:\(server.port)"
            for (port, kind) in [
                (proxy.port, TransportError.Kind.proxyStatus(403)),
                (refusing.port, .connect(errno: 111)),
            ] {
                let variant = try ProxySetting(parsing: "http://127.0.0.1:\(port)")
                let error = await transportError {
                    _ = try await engine.dialTunnel(to: target, via: variant)
                }
                #expect(error?.kind == kind, "\(String(describing: error))")
                #expect(error?.hop == .proxy)
                #expect(error?.description.contains("tcp://\(target) via") == true)
            }
        }
        #expect(server.counters.connectionsAccepted == 0)
        withExtendedLifetime(refusing) {}
    }

    @Test(
        "a target or a way at fault is refused before anything is dialled",
        arguments: ["name.test", "name.test:0", "name.test:x", ":80", "a b:80", "u@h:80", "[::1]"])
    func badTargets(_ target: String) async throws {
        try await withEngine { engine in
            let error = await transportError { _ = try await engine.dialTunnel(to: target) }
            #expect(error?.kind.name == "invalidRequest", "\(String(describing: error))")
            let chain = await transportError {
                _ = try await engine.dialTunnel(to: "a.test:1", via: .chain([]))
            }
            #expect(chain?.kind.name == "invalidRequest")
            #expect(engine.snapshot().counters.dials == 0)
        }
    }

    @Test("rules send a tunnel where https goes")
    func rules() async throws {
        let (one, other) = (try LoopbackConnectProxy(), try LoopbackConnectProxy())
        let server = try LoopbackServer()
        defer { for stop in [one.stop, other.stop, server.stop] { stop() } }
        try await withEngine { engine in
            let rules = try ProxySetting.fromEnvironment([
                "http_proxy": "127.0.0.1:\(one.port)", "https_proxy": "127.0.0.1:\(other.port)",
                "no_proxy": "127.0.0.1",
            ])
            try await engine.dialTunnel(to: "localhost:\(server.port)", via: rules).close()
            try await engine.dialTunnel(to: "127.0.0.1:\(server.port)", via: rules).close()
            #expect(one.requests.isEmpty)
            #expect(other.connectRequests.count == 1)
        }
    }

    @Test("a tunnel is its caller's own: never pooled, never given to a request")
    func neverPooled() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine(ports: [server.port]) { engine in
            let target = "127.0.0.1:\(server.port)"
            let one = try await engine.dialTunnel(to: target)
            let other = try await engine.dialTunnel(to: target)
            try await expectStatus(200, engine, "http://\(target)/")
            #expect(engine.snapshot().connectionsOpened == 3)
            #expect(engine.snapshot().reuses == 0)
            one.close()
            other.close()
            try await eventually("both are gone") { engine.snapshot().connections == 1 }
        }
    }

    @Test("R17: cancelled in the dial, and dropped afterwards, it leaves nothing")
    func cancelledAndDropped() async throws {
        let peer = try ScriptedPeer(everyConnection: [.expectHead, .silence])
        let server = try LoopbackServer()
        defer {
            peer.stop()
            server.stop()
        }
        var tuning = relaxedTuning
        tuning.dial.proxyTimeout = .seconds(30)
        try await withEngine(tuning, ports: [peer.port, server.port]) { engine in
            let variant = try ProxySetting(parsing: "http://127.0.0.1:\(peer.port)")
            let dial = Task {
                await transportError {
                    _ = try await engine.dialTunnel(to: "a.test:1", via: variant)
                }
            }
            try await eventually("the proxy is asked") { peer.connectionCount == 1 }
            dial.cancel()
            #expect(await dial.value?.isCancelled == true)
            _ = try await engine.dialTunnel(to: "127.0.0.1:\(server.port)")
            try await eventually("nothing is left") { engine.snapshot().connections == 0 }
        }
    }

    @Test("the engine's end cuts a tunnel, and says which")
    func theEnginesEnd() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let engine = try TransportEngine(relaxedTuning)
        let tunnel = try await engine.dialTunnel(to: "127.0.0.1:\(server.port)")
        let cut = await engine.shutdown()
        #expect(cut.count == 1)
        #expect(cut.first?.hasPrefix("tcp://127.0.0.1:\(server.port)") == true)
        let error = await transportError { _ = try await tunnel.read() }
        #expect(error?.kind == .shutdown, "\(String(describing: error))")
        #expect(descriptors(connectedTo: server.port) == 0)
    }
}
