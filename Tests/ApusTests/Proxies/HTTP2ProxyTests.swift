import Apus
import Loopback
import Testing

/// Tunnels through a proxy that chose HTTP/2 by ALPN.
@Suite(.timeLimit(.minutes(5))) struct HTTP2ProxyTests {
    @Test("R18: CONNECT over HTTP/2: authority, credentials and fields, nothing else")
    func theRequest() async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackHTTP2Proxy.Options()
            options.credentials = .init(user: "user", password: "word")
            let proxy = try LoopbackHTTP2Proxy(options)
            defer { proxy.stop() }
            var choice = ProxyEndpoint.Options()
            choice.fields = [.userAgent: "to-the-proxy"]
            let endpoint = try ProxyEndpoint(
                parsing: "https://user:word@localhost:\(proxy.port)", options: choice)
            let client = ExecutorClient(stand.engine, proxy: .proxy(endpoint))
            let head = try await client.send(.get(stand.url("/headers"))).body.collect(upTo: 9999)
            #expect(!String(head).contains("to-the-proxy"))
            let target = "localhost:\(stand.server.port)"
            #expect(
                proxy.requests == [
                    "CONNECT \(target)\n:method: CONNECT\n:authority: \(target)\n"
                        + "proxy-authorization: Basic dXNlcjp3b3Jk\nuser-agent: to-the-proxy\n"
                ])
        }
    }

    @Test("large bodies go both ways through one tunnel", arguments: ProtocolVariant.allCases)
    func largeBodies(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let proxy = try LoopbackHTTP2Proxy()
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine,
                proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"),
                versions: variant == .http1 ? .http1Only(alpn: .http1) : variant.versions)
            // A forwarded request needs no tunnel, and this proxy speaks nothing but tunnels.
            guard variant != .http1 else { return }
            let size = 3 << 20
            let down = try await client.send(.get(stand.url("/bytes/\(size)")))
            #expect(try await checkPattern(down.body) == size)
            let up = Bytes([UInt8](repeating: 0x61, count: size))
            let echo = try await client.send(.post(stand.url("/sink")), body: .bytes(up))
            #expect(echo.status == .ok)
            _ = try await echo.body.collect(upTo: 1 << 16)
            #expect(proxy.counters.connections == 1)
            #expect(proxy.requests.count == 1)
            #expect(proxy.counters.bytesToOrigin > size)
        }
    }

    @Test("an upload waits for the tunnel's small window, and none of it is lost")
    func aSmallWindow() async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackHTTP2Proxy.Options()
            options.streamWindow = 1000
            let proxy = try LoopbackHTTP2Proxy(options)
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
            let size = 300_000
            let pieces = (0..<30).map { index in
                Bytes([UInt8](repeating: UInt8(index), count: size / 30))
            }
            let echo = try await client.send(.post(stand.url("/echo")), body: .segments(pieces))
            let back = try await echo.body.collect(upTo: size)
            #expect(back.array == pieces.flatMap(\.array))
        }
    }

    @Test("R4: the origin's streams share the tunnel, each origin has its own")
    func oneTunnelForAnOrigin() async throws {
        try await withStand(.http2OverTLS) { stand in
            let proxy = try LoopbackHTTP2Proxy()
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
            try await expectStatus(200, client, stand.url("/"))
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await fetch(client, stand.url("/bytes/10000")) }
                }
                for try await status in group { #expect(status == 200) }
            }
            #expect(proxy.requests.count == 1)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    @Test(
        "row 77: a 407 on a stream is answered once on another",
        arguments: [false, true], [false, true])
    func aChallenge(isRight: Bool, goesAway: Bool) async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackHTTP2Proxy.Options()
            options.credentials = .init(user: "user", password: "word")
            options.goesAwayAfterRefusal = goesAway
            let proxy = try LoopbackHTTP2Proxy(options)
            defer { proxy.stop() }
            var choice = ProxyEndpoint.Options()
            choice.authentication = .whenAsked
            let password = isRight ? "word" : "wrong"
            let endpoint = try ProxyEndpoint(
                parsing: "https://user:\(password)@localhost:\(proxy.port)", options: choice)
            let client = ExecutorClient(stand.engine, proxy: .proxy(endpoint))
            if isRight {
                try await expectStatus(200, client, stand.url("/"))
            } else {
                let error = await dialError(client, stand.url("/"))
                #expect(error?.kind == .proxyStatus(407), "\(String(describing: error))")
                #expect(error?.proxyAnswer?.fields[.proxyAuthenticate] != nil)
            }
            #expect(proxy.requests.count == 2)
            #expect(proxy.counters.connections == (goesAway ? 2 : 1))
        }
    }

    @Test("row 78: a refused CONNECT on a stream keeps the proxy's words, up to a bound")
    func aRefusal() async throws {
        var options = LoopbackHTTP2Proxy.Options()
        options.refusal = 403
        options.refusalBody = String(repeating: "no ", count: 10_000)
        let proxy = try LoopbackHTTP2Proxy(options)
        defer { proxy.stop() }
        try await withEngine(ports: [proxy.port]) { engine in
            let client = ExecutorClient(
                engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyStatus(403), "\(String(describing: error))")
            #expect(error?.hop == .proxy)
            #expect(error?.proxyAnswer?.body.count == 16 * 1024)
            #expect(error.map { String($0.proxyAnswer?.body ?? .empty).hasPrefix("no no") } == true)
        }
    }

    @Test("row 79: a proxy that resets the stream, or is silent")
    func noTunnel() async throws {
        var options = LoopbackHTTP2Proxy.Options()
        options.resetCode = 2
        let reset = try LoopbackHTTP2Proxy(options)
        options.resetCode = nil
        options.isSilent = true
        let silent = try LoopbackHTTP2Proxy(options)
        defer {
            reset.stop()
            silent.stop()
        }
        for (proxy, kind) in [(reset, TransportError.Kind.proxyFailed), (silent, .timeout)] {
            var tuning = relaxedTuning
            if kind == .timeout { tuning.dial.proxyTimeout = .milliseconds(300) }
            try await withEngine(tuning, ports: [proxy.port]) { engine in
                let client = ExecutorClient(
                    engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
                let error = await dialError(client, "https://name.test/")
                #expect(error?.kind == kind, "\(String(describing: error))")
                #expect(error?.phase == .proxy)
                #expect(error?.hop == .proxy)
            }
        }
    }

    @Test("a proxy that wants HTTP/1.1 for its tunnels gets it on the next connection")
    func http11Required() async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackHTTP2Proxy.Options()
            options.resetCode = 13
            let proxy = try LoopbackHTTP2Proxy(options)
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
            // This proxy has no HTTP/1.1 to offer, so that the second connection is all there is.
            let error = await dialError(client, stand.url("/"))
            #expect(error?.hop == .proxy, "\(String(describing: error))")
            #expect(proxy.requests.count == 1)
            #expect(proxy.counters.connections == 2)
        }
    }

    @Test("allowsHTTP2 = false offers the proxy nothing but HTTP/1.1")
    func http2IsNotOffered() async throws {
        var options = LoopbackHTTP2Proxy.Options()
        options.protocols = ["h2", "http/1.1"]
        let proxy = try LoopbackHTTP2Proxy(options)
        defer { proxy.stop() }
        try await withEngine(ports: [proxy.port]) { engine in
            var choice = ProxyEndpoint.Options()
            choice.allowsHTTP2 = false
            let endpoint = try ProxyEndpoint(
                parsing: "https://localhost:\(proxy.port)", options: choice)
            let error = await dialError(
                ExecutorClient(engine, proxy: .proxy(endpoint)), "https://name.test/")
            #expect(error?.hop == .proxy)
            #expect(proxy.requests.isEmpty)
            #expect(proxy.counters.tlsHandshakes == 1)
        }
    }

    @Test("row 82: a tunnel's stream that is reset in mid-body cuts the body and says so")
    func theTunnelIsReset() async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackHTTP2Proxy.Options()
            options.resetsAfter = 50_000
            let proxy = try LoopbackHTTP2Proxy(options)
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
            let error = await transportError {
                try await fetch(client, stand.url("/bytes/10000000"))
            }
            #expect(error?.replay == .responseStarted, "\(String(describing: error))")
            #expect(error?.kind == .h2Stream(code: 2), "\(String(describing: error))")
            try await eventually("the connection is gone") {
                stand.engine.snapshot().connections == 0
            }
        }
    }

    @Test("row 82: an idle tunnel whose origin leaves is noticed")
    func theIdleTunnelEnds() async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackHTTP2Proxy()
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "https://localhost:\(proxy.port)"))
            try await expectStatus(200, client, stand.url("/"))
            try await eventually("the idle tunnel is gone") {
                // The server may have answered and not yet called its connection idle.
                stand.server.closeIdleConnections()
                return stand.engine.snapshot().connections == 0
            }
            try await expectStatus(200, client, stand.url("/"))
            #expect(proxy.requests.count == 2)
        }
    }
}
