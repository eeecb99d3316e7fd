import Apus
import Loopback
import Testing

/// The code of the guide "Getting through", word for word, run against loopback proxies.
@Suite(.timeLimit(.minutes(5))) struct GettingThroughTests {
    @Test func oneProxy() async throws {
        try await withGround { engine, proxies, url in
            let text = proxies.socks
            let proxy = try ProxySetting(parsing: text)  // "socks5h://user:secret@127.0.0.1:1080"
            let client = ExecutorClient(engine, proxy: proxy)
            let response = try await client.send(.get(url))
            _ = try await response.body.collect(upTo: 100)
            #expect(response.status == .ok)
            #expect(proxies.socksRequests == 1)
        }
    }

    @Test func theEnvironment() async throws {
        try await withGround { engine, proxies, url in
            let variables = ["http_proxy": proxies.http]
            // ProcessInfo.processInfo.environment, or a part of it
            let setting = try ProxySetting.fromEnvironment(variables)
            let client = ExecutorClient(engine, proxy: setting)
            let direct = ExecutorClient(client, proxy: .direct)  // beats the environment
            try await expectStatus(200, direct, url)
            #expect(proxies.httpRequests == 0)
            try await expectStatus(200, client, url)
            #expect(proxies.httpRequests == 1)
        }
    }

    @Test func rules() async throws {
        try await withGround { engine, proxies, url in
            let proxy = try ProxySetting(parsing: proxies.http)
            let exceptions = try ProxyExceptions(parsing: ".internal.example, 10.0.0.0/8")
            let rules = ProxyRules(http: proxy, https: proxy, except: exceptions)
            let chooser = ExecutorClient(engine, proxy: .rules(rules))
            try await expectStatus(200, chooser, url)
            #expect(proxies.httpRequests == 1)
        }
    }

    @Test func aChain() async throws {
        try await withGround { engine, proxies, url in
            let (near, far) = (proxies.http, proxies.socks)
            let chain = ProxySetting.chain([
                try ProxyEndpoint(parsing: near),  // "http://user:secret@proxy.example:3128"
                try ProxyEndpoint(parsing: far),  // "socks5h://127.0.0.1:1080"
            ])
            let distant = try await ExecutorClient(engine, proxy: chain).send(.get(url))
            _ = try await distant.body.collect(upTo: 100)
            #expect(distant.status == .ok)
            #expect(proxies.httpRequests == 1 && proxies.socksRequests == 1)
        }
    }

    @Test func aProxysOwn() async throws {
        try FixturePaths.ensureCertificates()
        var asked = LoopbackConnectProxy.Options()
        asked.tls = FixturePaths.certificate("leaf")
        let proxy = try LoopbackConnectProxy(asked)
        defer { proxy.stop() }
        try await withGround { engine, _, url in
            let (secure, roots) = ("https://localhost:\(proxy.port)", FixturePaths.pem("ca"))
            var options = ProxyEndpoint.Options()
            options.fields[.userAgent] = "for the proxy alone"
            options.tls = EngineTuning.TLS()
            options.tls?.roots = .file(roots)  // "/etc/ssl/the-proxys-authority.pem"
            // secure: "https://proxy.example"
            let endpoint = try ProxyEndpoint(parsing: secure, options: options)
            try await expectStatus(200, ExecutorClient(engine, proxy: .proxy(endpoint)), url)
            #expect(proxy.requests.allSatisfy { $0.contains("for the proxy alone") })
        }
    }

    @Test func aProxyThatAsks() async throws {
        var asking = LoopbackConnectProxy.Options()
        asking.credentials = .init(user: "user", password: "word")
        let proxy = try LoopbackConnectProxy(asking)
        defer { proxy.stop() }
        @Sendable func token(for proxy: String) async -> String? { "token" }
        try await withGround { engine, _, url in
            var options = ProxyEndpoint.Options()
            options.authentication = .answering(
                ProxyAuthenticator { challenge in
                    // What is asked: challenge.fields[.proxyAuthenticate]. nil lets the 407 stand.
                    await token(for: challenge.proxy).map { "Bearer \($0)" }
                })
            let endpoint = try ProxyEndpoint(
                parsing: "http://localhost:\(proxy.port)", options: options)
            let error = await dialError(
                ExecutorClient(engine, proxy: .proxy(endpoint)), "https://a.test/")
            #expect(error?.kind == .proxyStatus(407))
            #expect(proxy.requests.last?.contains("Proxy-Authorization: Bearer token") == true)
        }
    }

    @Test func aRefusal() async throws {
        var refusing = LoopbackConnectProxy.Options()
        refusing.refusal = 403
        let proxy = try LoopbackConnectProxy(refusing)
        defer { proxy.stop() }
        try await withGround { engine, _, _ in
            let url = "https://a.test/"
            let client = ExecutorClient(
                engine, proxy: try ProxySetting(parsing: "http://localhost:\(proxy.port)"))
            let lines = DialRecorder()
            func print(_ words: Any...) { lines.add(words.map { "\($0)" }.joined(separator: " ")) }
            let request = try HTTPRequest.get(url)
            do throws(TransportError) {
                _ = try await client.send(request)
            } catch {
                if error.hop == .proxy {
                    print("the proxy is at fault, in \(error.phase.rawValue)")
                }
                if let answer = error.proxyAnswer { print(answer.status, String(answer.body)) }
                if let cause = error.socksCause { print(cause.words) }
            }
            #expect(lines.list.count == 2)
            #expect(lines.list.last?.hasPrefix("403 ") == true)
            #expect(lines.list.last?.hasSuffix("refused\n") == true)
        }
    }

    @Test func withoutHTTP() async throws {
        let peer = try ScriptedPeer(everyConnection: [.expectBytes(6), .sendText("bye"), .close])
        defer { peer.stop() }
        try await withGround { engine, proxies, _ in
            let target = "127.0.0.1:\(peer.port)"
            let proxy = try ProxySetting(parsing: proxies.socks)
            let lines = DialRecorder()
            func print(_ count: Int) { lines.add("\(count)") }
            let tunnel = try await engine.dialTunnel(to: target, via: proxy)  // "db.example:5432"
            try await tunnel.write(Bytes("hello\n"))
            while let piece = try await tunnel.read() { print(piece.count) }
            #expect(lines.list.compactMap { Int($0) }.reduce(0, +) == 3)
        }
    }

    // MARK: Support

    /// The two proxies that the examples go through.
    private struct Proxies: Sendable {
        let connect: LoopbackConnectProxy
        let socksProxy: LoopbackSOCKSProxy

        var http: String { "http://user:secret@127.0.0.1:\(connect.port)" }
        var socks: String { "socks5h://127.0.0.1:\(socksProxy.port)" }
        var httpRequests: Int { connect.requests.count }
        var socksRequests: Int { socksProxy.requests.count }
    }

    private func withGround(
        _ body: (TransportEngine, Proxies, String) async throws -> Void
    ) async throws {
        let server = try LoopbackServer()
        let proxies = Proxies(
            connect: try LoopbackConnectProxy(), socksProxy: try LoopbackSOCKSProxy())
        defer {
            for stop in [server.stop, proxies.connect.stop, proxies.socksProxy.stop] { stop() }
        }
        try await withEngine { engine in
            try await body(engine, proxies, "http://localhost:\(server.port)/")
        }
    }
}
