import Apus
import Loopback
import Testing

/// A proxy that asks who we are: answered once, by Basic or by a callback, and never again.
@Suite(.timeLimit(.minutes(5))) struct ProxyChallengeTests {
    @Test(
        "row 77: a 407 is answered once by Basic, on the same connection or on another",
        arguments: [false, true], [LoopbackProxyKind.http, .https])
    func basicWhenAsked(closes: Bool, _ kind: LoopbackProxyKind) async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackConnectProxy.Options()
            options.credentials = .init(user: "user", password: "word")
            options.closesAfterRefusal = closes
            let proxy = try kind.start(options)
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try asking("\(kind)://user:word@localhost:\(proxy.port)"))
            try await expectStatus(200, client, stand.url("/"))
            #expect(proxy.connectRequests.count == 2)
            #expect(!proxy.connectRequests[0].contains("Proxy-Authorization"))
            #expect(proxy.connectRequests[1].contains("Proxy-Authorization: Basic dXNlcjp3b3Jk"))
            #expect(proxy.counters.connections == (closes ? 2 : 1))
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    @Test("row 77: a second 407 is the end", arguments: [false, true])
    func neverALoop(closes: Bool) async throws {
        var options = LoopbackConnectProxy.Options()
        options.credentials = .init(user: "user", password: "right")
        options.closesAfterRefusal = closes
        let proxy = try LoopbackConnectProxy(options)
        defer { proxy.stop() }
        try await withEngine(ports: [proxy.port]) { engine in
            let client = ExecutorClient(
                engine, proxy: try asking("http://user:wrong@localhost:\(proxy.port)"))
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyStatus(407))
            #expect(error?.proxyAnswer?.fields[.proxyAuthenticate] != nil)
            #expect(proxy.connectRequests.count == 2)
            #expect(proxy.counters.connections == (closes ? 2 : 1))
        }
    }

    @Test("row 77: only a 407 that takes Basic is answered by it", arguments: ["Digest", "Bearer"])
    func anotherScheme(_ scheme: String) async throws {
        let answer = "HTTP/1.1 407 No\r\nProxy-Authenticate: \(scheme) realm=\"Basic\"\r\n"
        try await withPeer([
            .expectHead, .sendText(answer + "Content-Length: 0\r\n\r\n"), .readUntilEnd,
        ]) { engine, peer in
            let client = ExecutorClient(
                engine, proxy: try asking("http://user:word@127.0.0.1:\(peer.port)"))
            #expect(await dialError(client, "https://name.test/")?.kind == .proxyStatus(407))
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "row 77: a callback answers once, and its words go to that proxy alone",
        arguments: [false, true])
    func aCallback(closes: Bool) async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackConnectProxy.Options()
            options.credentials = .init(user: "user", password: "word")
            options.closesAfterRefusal = closes
            let proxy = try LoopbackConnectProxy(options)
            defer { proxy.stop() }
            let asked = DialRecorder()
            var choice = ProxyEndpoint.Options()
            choice.authentication = .answering(
                ProxyAuthenticator { challenge in
                    let scheme = challenge.fields[.proxyAuthenticate] ?? ""
                    asked.add("\(challenge.proxy) \(scheme)")
                    return "Basic dXNlcjp3b3Jk"
                })
            let url = "http://localhost:\(proxy.port)"
            let client = ExecutorClient(
                stand.engine, proxy: .proxy(try ProxyEndpoint(parsing: url, options: choice)))
            let head = try await client.send(.get(stand.url("/headers"))).body.collect(upTo: 9999)
            #expect(!String(head).contains("dXNlcjp3b3Jk"))
            #expect(asked.list == ["\(url) Basic realm=\"loopback\""])
            #expect(proxy.connectRequests.count == 2)
        }
    }

    @Test("row 77: what a callback says may be nothing, wrong, or no field value")
    func aCallbackThatDoesNotHelp() async throws {
        var options = LoopbackConnectProxy.Options()
        options.credentials = .init(user: "user", password: "word")
        let proxy = try LoopbackConnectProxy(options)
        defer { proxy.stop() }
        for (answer, kind, count) in [
            (nil, "proxy", 1), ("Basic wrong", "proxy", 2), ("a\r\nX: b", "invalidRequest", 1),
        ] as [(String?, String, Int)] {
            try await withEngine(ports: [proxy.port]) { engine in
                var choice = ProxyEndpoint.Options()
                choice.authentication = .answering(ProxyAuthenticator { _ in answer })
                let url = "http://localhost:\(proxy.port)"
                let client = ExecutorClient(
                    engine, proxy: .proxy(try ProxyEndpoint(parsing: url, options: choice)))
                let before = proxy.connectRequests.count
                let error = await dialError(client, "https://name.test/")
                #expect(error?.kind.name == kind, "\(String(describing: error))")
                #expect(error?.description.contains("wrong") == false)
                #expect(proxy.connectRequests.count - before == count)
            }
        }
    }

    @Test("row 80: a callback that never answers costs the proxy's budget, and is cancelled")
    func aCallbackThatHangs() async throws {
        var options = LoopbackConnectProxy.Options()
        options.credentials = .init(user: "user", password: "word")
        options.closesAfterRefusal = false
        let proxy = try LoopbackConnectProxy(options)
        defer { proxy.stop() }
        var tuning = relaxedTuning
        tuning.dial.proxyTimeout = .milliseconds(200)
        let (gate, asked, ended) = (DialGate(), DialGate(), DialGate())
        try await withEngine(tuning, ports: [proxy.port]) { engine in
            var choice = ProxyEndpoint.Options()
            choice.authentication = .answering(
                ProxyAuthenticator { _ in
                    asked.open()
                    await gate.wait()
                    ended.open()
                    return nil
                })
            let url = "http://localhost:\(proxy.port)"
            let client = ExecutorClient(
                engine, proxy: .proxy(try ProxyEndpoint(parsing: url, options: choice)))
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .timeout, "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            // A busy machine may use up the proxy's time before the callback is called.
            try await eventually("the callback's task is cancelled") {
                ended.isOpen || !asked.isOpen
            }
        }
    }

    @Test("R17: neither a cancelled caller nor its dial waits for the callback")
    func cancelledWhileAsking() async throws {
        var options = LoopbackConnectProxy.Options()
        options.credentials = .init(user: "user", password: "word")
        options.closesAfterRefusal = false
        let proxy = try LoopbackConnectProxy(options)
        defer { proxy.stop() }
        let (asked, gate) = (DialGate(), DialGate())
        var tuning = relaxedTuning
        tuning.pool.dialGrace = nil
        try await withEngine(tuning, ports: [proxy.port]) { engine in
            var choice = ProxyEndpoint.Options()
            choice.authentication = .answering(
                ProxyAuthenticator { _ in
                    asked.open()
                    await gate.wait(isCancellable: false)
                    return nil
                })
            let url = "http://localhost:\(proxy.port)"
            let endpoint = try ProxyEndpoint(parsing: url, options: choice)
            let request = Task {
                await transportError {
                    _ = try await ExecutorClient(engine, proxy: .proxy(endpoint))
                        .send(.get("https://name.test/"))
                }
            }
            try await eventually("the callback is asked") { asked.isOpen }
            request.cancel()
            #expect(await request.value?.isCancelled == true)
            try await eventually("its socket is closed") {
                descriptors(connectedTo: proxy.port) == 0
            }
        }
        gate.open()
    }

    @Test("row 81: bytes after a 407 are not read as the answer to the next CONNECT")
    func nothingIsSmuggledAfterAChallenge() async throws {
        let answer =
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n"
        let smuggled = "HTTP/1.1 200 OK\r\n\r\n"
        try await withPeer([
            .expectHead, .sendText(answer + smuggled), .readUntilEnd,
        ]) { engine, peer in
            let client = ExecutorClient(
                engine, proxy: try asking("http://user:word@127.0.0.1:\(peer.port)"))
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyStatus(407), "\(String(describing: error))")
            // A second connection asks again, and its 407 is the end.
            #expect(peer.connectionCount == 2)
        }
    }

    // MARK: Support

    private func asking(_ url: String) throws -> ProxySetting {
        var options = ProxyEndpoint.Options()
        options.authentication = .whenAsked
        return .proxy(try ProxyEndpoint(parsing: url, options: options))
    }

    private func withPeer(
        _ script: [ScriptedPeer.Step],
        _ body: (TransportEngine, ScriptedPeer) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(everyConnection: script)
        defer { peer.stop() }
        try await withEngine(ports: [peer.port]) { try await body($0, peer) }
    }
}

/// The proxies that speak HTTP.
enum LoopbackProxyKind: String, Sendable, CustomStringConvertible {
    case http, https

    var description: String { rawValue }

    func start(_ options: LoopbackConnectProxy.Options) throws -> LoopbackConnectProxy {
        var options = options
        if self == .https { options.tls = FixturePaths.certificate("leaf") }
        return try LoopbackConnectProxy(options)
    }
}
