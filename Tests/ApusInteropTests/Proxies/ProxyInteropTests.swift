import Apus
import Foundation
import Loopback
import Testing

/// Every exchange through real proxies: squid, tinyproxy, haproxy, microsocks, dante, nghttpx and
/// mitmproxy.
@Suite("proxies", .timeLimit(.minutes(5)), .serialized)
struct ProxyInteropTests {
    /// What is spoken to the origin.
    enum Way: String, CaseIterable, Sendable {
        case http1, http1OverTLS, http2OverTLS

        var isTLS: Bool { self != .http1 }
        var isHTTP2: Bool { self == .http2OverTLS }
        var versions: HTTPVersionPolicy { isHTTP2 ? .http2Only : .http1Only(alpn: .http1) }
    }

    /// The tables below leave out what is missing; here it is skipped, or fails, by its name.
    @Test(.running(.squid)) func squidRuns() {}
    @Test(.running(.tinyproxy)) func tinyproxyRuns() {}
    @Test(.running(.haproxy)) func haproxyRuns() {}
    @Test(.running(.microsocks)) func microsocksRuns() {}
    @Test(.running(.dante)) func danteRuns() {}
    @Test(.running(.nghttpx)) func nghttpxRuns() {}
    @Test(.running(.mitmproxy)) func mitmproxyRuns() {}

    @Test(
        "R4, section 2.4: bodies both ways, one connection, no login at the origin",
        arguments: ProxyPeer.running, Way.allCases)
    func exchangesPass(_ peer: ProxyPeer, _ way: Way) async throws {
        // mitmproxy speaks HTTP/1.1 whatever is asked; its own test is below.
        if !peer.isTransparent, way.isHTTP2 { return }
        try await withProxied(peer, tls: way.isTLS) { engine, server in
            let client = ExecutorClient(
                engine, proxy: .proxy(try peer.endpoint()), versions: way.versions)
            let base = "\(way.isTLS ? "https" : "http")://localhost:\(server.port)"
            let down = try await client.send(.get(base + "/bytes/1048576"))
            #expect(down.status == .ok)
            let expected = Digested(ServedFiles.pattern(1 << 20))
            #expect(try await Digested(down.body) == expected)
            let pieces = ServedFiles.pattern(300_000)
            let up = try await client.send(
                .post(base + "/echo"), body: .segments(pieces.map { Bytes($0) }))
            #expect(try await Digested(up.body) == Digested(pieces))
            let head = try await client.send(.get(base + "/headers")).body.collect(upTo: 1 << 16)
            let text = String(head).lowercased()
            #expect(!text.contains("proxy-authorization"), "\(text)")
            #expect(!text.contains("dXNlcjp3b3Jk".lowercased()))
            if way.isTLS || peer.keepsForwarding || peer.kind == .socks5 || peer.kind == .socks5h {
                #expect(engine.snapshot().connectionsOpened == 1)
            }
            if peer.isTransparent, way.isTLS {
                #expect(server.counters.connectionsAccepted == 1)
            }
        }
    }

    @Test(
        "row 77: a wrong password is reported in the proxy's own words",
        arguments: ProxyPeer.running.filter(\.asksForLogin))
    func aWrongPassword(_ peer: ProxyPeer) async throws {
        try await withProxied(peer, tls: true) { engine, server in
            let client = ExecutorClient(
                engine, proxy: .proxy(try peer.endpoint(password: "wrong")))
            let error = try await refusal(client, "https://localhost:\(server.port)/")
            #expect(error?.kind.name == "proxy", "\(String(describing: error))")
            #expect(error?.hop == .proxy)
            #expect(error?.replay == .notSent)
            #expect(error?.description.contains("wrong") == false)
            if peer.kind == .http || peer.kind == .https {
                #expect(error?.kind == .proxyStatus(407) || error?.kind == .proxyStatus(401))
                let challenge = error?.proxyAnswer?.fields[.proxyAuthenticate]
                // tinyproxy says 401 to a wrong password, and asks for nothing.
                #expect(peer.proxy == .tinyproxy || challenge?.contains("Basic") == true)
            }
            #expect(server.counters.connectionsAccepted == 0)
        }
    }

    @Test(
        "row 77: credentials that wait for the 407 get through as well",
        arguments: ProxyPeer.running.filter { $0.asksForLogin && $0.kind != .socks5h })
    func credentialsWhenAsked(_ peer: ProxyPeer) async throws {
        guard peer.kind == .http || peer.kind == .https else { return }
        var options = ProxyEndpoint.Options()
        options.authentication = .whenAsked
        try await withProxied(peer, tls: true) { engine, server in
            let client = ExecutorClient(
                engine, proxy: .proxy(try peer.endpoint(options: options)))
            let response = try await client.send(.get("https://localhost:\(server.port)/"))
            _ = try await response.body.collect(upTo: 1 << 16)
            #expect(response.status == .ok)
        }
    }

    @Test("row 78: squid refuses CONNECT to port 80, and says why", .running(.squid))
    func aRefusedPort() async throws {
        try await withProxied(.squid, tls: true) { engine, _ in
            let client = ExecutorClient(engine, proxy: .proxy(try ProxyPeer.squid.endpoint()))
            let error = try await refusal(client, "https://localhost:80/")
            #expect(error?.kind == .proxyStatus(403), "\(String(describing: error))")
            let answer = try #require(error?.proxyAnswer)
            let reason = HTTPField.Name("X-Squid-Error").flatMap { answer.fields[$0] }
            #expect(reason == "ERR_ACCESS_DENIED 0")
            #expect(String(answer.body).contains("ERR_ACCESS_DENIED"))
            #expect(answer.body.count <= 16 * 1024)
        }
        let curl = try await CurlView.ask(.squid, "https://localhost:80/")
        #expect(curl.connectStatus == 403)
    }

    @Test(
        "rows 78, 84: an origin that refuses is reported by the proxy", arguments: ProxyPeer.running
    )
    func aDeadOrigin(_ peer: ProxyPeer) async throws {
        // mitmproxy answers CONNECT before it connects to the origin.
        guard peer.isTransparent else { return }
        let port = try closedPort()
        try await withProxied(peer, tls: true) { engine, _ in
            let client = ExecutorClient(engine, proxy: .proxy(try peer.endpoint()))
            let error = try await refusal(client, "https://localhost:\(port)/")
            #expect(error?.kind.name == "proxy", "\(String(describing: error))")
            #expect(error?.hop == .proxy)
            if case .proxyStatus(let status) = error?.kind { #expect(status >= 500) }
            if peer.proxy == .dante || peer.proxy == .microsocks {
                #expect(error?.socksCause != nil)
            }
        }
    }

    @Test(
        "curl's own view of the same proxy is ours",
        .enabled(if: Programs.path("curl") != nil, "curl is not installed"),
        arguments: ProxyPeer.running, [false, true])
    func curlSeesTheSame(_ peer: ProxyPeer, isTLS: Bool) async throws {
        for path in ["/bytes/100000", "/status/404"] {
            try await withProxied(peer, tls: isTLS) { engine, server in
                let url = "\(isTLS ? "https" : "http")://localhost:\(server.port)\(path)"
                let client = ExecutorClient(
                    engine, proxy: .proxy(try peer.endpoint()),
                    versions: .http1Only(alpn: .http1))
                let response = try await client.send(.get(url))
                let body = try await Digested(response.body)
                let curl = try await CurlView.ask(peer, url)
                #expect(curl.status == response.status.code)
                #expect(curl.body == body)
                let tunnels = isTLS && (peer.kind == .http || peer.kind == .https)
                #expect(curl.connectStatus == (tunnels ? 200 : 0))
            }
        }
    }

    @Test(
        "row 51: a proxy that decrypts may change what ALPN says, and is believed",
        .running(.mitmproxy))
    func anotherALPN() async throws {
        let peer = ProxyPeer.mitmproxy
        try await withProxied(peer, tls: true) { engine, server in
            let url = "https://localhost:\(server.port)/"
            let endpoint = try peer.endpoint()
            let any = try await ExecutorClient(engine, proxy: .proxy(endpoint)).send(.get(url))
            _ = try await any.body.collect(upTo: 1 << 16)
            #expect(any.status == .ok)
            #expect(any.version == .http1)
            let only = ExecutorClient(engine, proxy: .proxy(endpoint), versions: .http2Only)
            let error = try await refusal(only, url)
            #expect(error?.kind == .tlsHandshake, "\(String(describing: error))")
        }
        // Without its authority its certificates are not trusted.
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        let server = try LoopbackServer(
            LoopbackServer.Options(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        let error = try await refusal(
            ExecutorClient(engine, proxy: .proxy(try peer.endpoint())),
            "https://localhost:\(server.port)/")
        #expect(error?.kind.name == "tlsVerify", "\(String(describing: error))")
        #expect(error?.hop == .origin)
        await engine.shutdown()
    }

    @Test("chains of two real proxies", .running(.squid, .microsocks))
    func chains() async throws {
        let socks = ProxyPeer.microsocks
        let second = try #require(ProxyPeer.all.first { $0.proxy == .tinyproxy })
        for (first, last) in [(ProxyPeer.squid, socks), (socks, .squid), (.squid, second)] {
            guard last.proxy.isRunning else { continue }
            try await withProxied(first, tls: true) { engine, server in
                let client = ExecutorClient(
                    engine, proxy: .chain([try first.endpoint(), try last.endpoint()]))
                let url = "https://localhost:\(server.port)/bytes/100000"
                let response = try await client.send(.get(url))
                #expect(try await Digested(response.body) == Digested(ServedFiles.pattern(100_000)))
                #expect(server.counters.connectionsAccepted == 1)
            }
        }
    }

    @Test("SOCKS 4a: curl asks the same proxy for the same", arguments: [false, true])
    func socks4aAsCurlSpeaksIt(isTLS: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(
            LoopbackServer.Options(tls: isTLS ? FixturePaths.certificate("leaf") : nil))
        let proxy = try LoopbackSOCKSProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        let way = "socks4a://user@localhost:\(proxy.port)"
        let url = "\(isTLS ? "https" : "http")://localhost:\(server.port)/bytes/5000"
        let client = ExecutorClient(engine, proxy: try ProxySetting(parsing: way))
        let body = try await Digested(try await client.send(.get(url)).body)
        await engine.shutdown()
        let curl = try await CurlView.ask(way, roots: FixturePaths.pem("ca"), url)
        #expect(curl.status == 200)
        #expect(curl.body == body)
        #expect(proxy.requests.count == 2)
        #expect(Set(proxy.requests).count == 1)
        #expect(proxy.requests[0].version == 4)
        #expect(proxy.requests[0].kind == .name)
    }

    /// A port without a listener: it was free an instant ago.
    private func closedPort() throws -> UInt16 {
        let server = try LoopbackServer()
        defer { server.stop() }
        return server.port
    }
}
