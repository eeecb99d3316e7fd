import Apus
import Loopback
import Testing

/// A real proxy in one of its protocols: a row of the table that each scenario goes through.
struct ProxyPeer: Sendable, CustomTestStringConvertible {
    let proxy: RealProxy
    /// Which of the proxy's ports.
    let portName: String
    let kind: ProxyEndpoint.Kind
    /// Whether it asks who we are.
    let asksForLogin: Bool
    /// Whether https goes through it untouched; it then opens one connection for each of ours.
    let isTransparent: Bool

    /// Whether it keeps the connection on which it forwards a request.
    var keepsForwarding: Bool { proxy != .tinyproxy }

    var testDescription: String { "\(proxy.rawValue) \(kind.rawValue) \(portName)" }

    private init(
        _ proxy: RealProxy, _ portName: String, _ kind: ProxyEndpoint.Kind, login: Bool = true,
        isTransparent: Bool = true
    ) {
        self.proxy = proxy
        self.portName = portName
        self.kind = kind
        asksForLogin = login
        self.isTransparent = isTransparent
    }

    static let squid = ProxyPeer(.squid, "PLAIN", .http)
    static let microsocks = ProxyPeer(.microsocks, "PORT", .socks5h)
    static let mitmproxy = ProxyPeer(.mitmproxy, "PORT", .http, isTransparent: false)
    static let all = [
        squid, ProxyPeer(.squid, "OPEN", .http, login: false), ProxyPeer(.tinyproxy, "PORT", .http),
        ProxyPeer(.haproxy, "TLS", .https), ProxyPeer(.haproxy, "H2", .https),
        ProxyPeer(.nghttpx, "H2", .https, login: false),
        ProxyPeer(.microsocks, "PORT", .socks5), microsocks,
        ProxyPeer(.dante, "PORT", .socks5h, login: false), mitmproxy,
    ]
    /// Those that this machine has and that start; `ProxyInteropTests` fails for the others.
    static let running = all.filter(\.proxy.isRunning)

    /// The way to it; the proxy is started if it does not run.
    func endpoint(
        password: String = "word", options: ProxyEndpoint.Options = .init()
    ) throws -> ProxyEndpoint {
        let port = try #require(proxy.running().ports[portName])
        return try ProxyEndpoint(
            kind: kind, host: "localhost", port: Int(port),
            credentials: asksForLogin ? ProxyCredentials(user: "user", password: password) : nil,
            options: options)
    }

    /// Its URL as curl and the tool take it.
    func url(password: String = "word") throws -> String {
        let port = try #require(proxy.running().ports[portName])
        let login = asksForLogin ? "user:\(password)@" : ""
        return "\(kind.rawValue)://\(login)localhost:\(port)"
    }

    /// The authority of origins' certificates, as seen through the proxy.
    var roots: String {
        get throws {
            guard !isTransparent else { return FixturePaths.pem("ca") }
            _ = try proxy.running()
            return try proxy.folder + "/mitmproxy-ca-cert.pem"
        }
    }
}

/// An engine and an origin of their own, for the length of one test.
func withProxied(
    _ peer: ProxyPeer, tls isTLS: Bool, http2 isHTTP2: Bool = false,
    _ body: (TransportEngine, LoopbackServer) async throws -> Void
) async throws {
    try FixturePaths.ensureCertificates()
    let server = try LoopbackServer(
        LoopbackServer.Options(tls: isTLS ? FixturePaths.certificate("leaf") : nil))
    defer { server.stop() }
    // Starting a server blocks.
    _ = await offThePool { Result { try peer.url() } }
    var tuning = EngineTuning.patient
    tuning.tls.roots = .file(try peer.roots)
    let engine = try TransportEngine(tuning)
    let outcome: Result<Void, any Error>
    do {
        outcome = .success(try await body(engine, server))
    } catch {
        outcome = .failure(error)
    }
    await engine.shutdown()
    #expect(engine.snapshot().connections == 0)
    try outcome.get()
}

/// The error of a request that must not succeed.
func refusal(_ transport: any HTTPTransport, _ url: String) async throws -> TransportError? {
    let request = try HTTPRequest.get(url)
    do throws(TransportError) {
        let response = try await transport.send(request)
        Issue.record("\(url) was answered \(response.status)")
        return nil
    } catch {
        return error
    }
}
