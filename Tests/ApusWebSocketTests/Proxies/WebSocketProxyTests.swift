import Apus
import ApusWebSocket
import Loopback
import Testing

/// Web sockets through every kind of proxy and through chains, to plain and secure origins.
@Suite(.timeLimit(.minutes(5))) struct WebSocketProxyTests {
    enum Kind: String, Sendable {
        case http, https, httpsOverHTTP2, socks4a, socks5, socks5h
    }

    /// A proxy of some kind, which counts.
    private struct Proxy {
        let endpoint: ProxyEndpoint
        let connections: () -> Int
        let stop: () -> Void

        init(_ kind: Kind) throws {
            var options = ProxyEndpoint.Options()
            if kind == .https || kind == .httpsOverHTTP2 {
                var tls = EngineTuning.TLS()
                tls.roots = .file(FixturePaths.pem("ca"))
                options.tls = tls
            }
            let scheme = kind == .httpsOverHTTP2 ? "https" : kind.rawValue
            let port: UInt16
            switch kind {
            case .http, .https:
                var settings = LoopbackConnectProxy.Options()
                if kind == .https { settings.tls = FixturePaths.certificate("leaf") }
                let proxy = try LoopbackConnectProxy(settings)
                port = proxy.port
                connections = { proxy.counters.connections }
                stop = { proxy.stop() }
            case .httpsOverHTTP2:
                let proxy = try LoopbackHTTP2Proxy()
                port = proxy.port
                connections = { proxy.counters.connections }
                stop = { proxy.stop() }
            case .socks4a, .socks5, .socks5h:
                let proxy = try LoopbackSOCKSProxy()
                port = proxy.port
                connections = { proxy.counters.connections }
                stop = { proxy.stop() }
            }
            endpoint = try ProxyEndpoint(
                parsing: "\(scheme)://localhost:\(port)", options: options)
        }
    }

    static let ways: [[Kind]] = [
        [.http], [.https], [.httpsOverHTTP2], [.socks4a], [.socks5], [.socks5h],
        [.http, .socks5h], [.socks5, .https], [.https, .http], [.socks5h, .httpsOverHTTP2, .http],
    ]

    @Test(arguments: ways, [false, true])
    func messagesPass(way: [Kind], isSecure: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackWebSocketServer(
            tls: isSecure ? FixturePaths.certificate("leaf") : nil)
        let proxies = try way.map(Proxy.init)
        defer {
            server.stop()
            for proxy in proxies { proxy.stop() }
        }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.request.proxy = .chain(proxies.map(\.endpoint))
            let url = "\(isSecure ? "wss" : "ws")://localhost:\(server.port)/echo"
            let socket = try await WebSocket.connect(url, over: engine, options: options)
            try await exchangeEchoes(socket, sizes: [1, 126, 100_000])
            #expect(proxies.map { $0.connections() } == way.map { _ in 1 })
            // The origin sees origin-form: the proxy tunnelled.
            #expect(server.handshakes.first?.hasPrefix("GET /echo HTTP/1.1\r\n") == true)
        }
    }

    /// A refusal of the origin passes the proxy with its body; that of the proxy is an error.
    @Test(arguments: ways) func refusalsAreDistinct(way: [Kind]) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackWebSocketServer()
        let proxies = try way.map(Proxy.init)
        defer {
            server.stop()
            for proxy in proxies { proxy.stop() }
        }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.request.proxy = .chain(proxies.map(\.endpoint))
            let error = await webSocketError {
                _ = try await WebSocket.connect(
                    "ws://localhost:\(server.port)/refuse", over: engine, options: options)
            }
            let response = try #require(error?.response)
            #expect(response.status == .forbidden)
            #expect(String(try await response.body.collect(upTo: 10)) == "no\n")
        }
    }

    /// R20: a proxy that refuses never leads to a direct connection.
    @Test(arguments: [false, true]) func aRefusingProxyIsNotPassedBy(isSecure: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackWebSocketServer()
        var settings = LoopbackConnectProxy.Options()
        settings.refusal = 403
        if isSecure { settings.tls = FixturePaths.certificate("leaf") }
        let proxy = try LoopbackConnectProxy(settings)
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.request.proxy = .proxy(
                try ProxyEndpoint(
                    parsing: "\(isSecure ? "https" : "http")://localhost:\(proxy.port)"))
            let error = await webSocketError {
                _ = try await WebSocket.connect(
                    "ws://localhost:\(server.port)/echo", over: engine, options: options)
            }
            #expect(error?.transportError?.kind == .proxyStatus(403))
            #expect(error?.transportError?.proxyAnswer?.status == 403)
            #expect(server.handshakes.isEmpty)
        }
    }
}
