import Apus
import Loopback
import Testing

/// Each way to speak through each way to get there, with the bytes that arrived at both ends.
///
/// A proxy's credentials never reach the origin, and through a tunnel the origin's never reach the
/// proxy.
@Suite struct DialMatrixTests {
    enum Path: String, CaseIterable, Sendable { case direct, http, https, socks5, socks5h }
    enum Login: String, CaseIterable, Sendable { case none, right, wrong }

    /// What only the proxy may see, in each form that it takes.
    private static let proxySecrets = ["proxy-secret", "dXNlcjpwcm94eS1zZWNyZXQ=", "proxy-auth"]
    private static let originSecret = "origin-secret"

    @Test(arguments: Way.allCases, Path.allCases)
    func credentialsStayAtTheirOwnHop(_ way: Way, _ path: Path) async throws {
        for login in Login.allCases where path != .direct || login == .none {
            try await withStand(way) { stand in
                let proxy = try MatrixProxy(path, asksForLogin: login != .none)
                defer { proxy.stop() }
                let setting = try ProxySetting(parsing: proxy.text(login))
                let client = ExecutorClient(stand.engine, proxy: setting, versions: way.versions)
                if login == .wrong {
                    try await expectRefusal(client, stand, proxy, path)
                } else {
                    try await expectPassage(client, stand, proxy, path)
                }
                await stand.engine.shutdown()
                if path != .direct { #expect(descriptors(connectedTo: proxy.port) == 0) }
            }
        }
    }

    private func expectPassage(
        _ client: ExecutorClient, _ stand: Stand, _ proxy: MatrixProxy, _ path: Path
    ) async throws {
        var request = try HTTPRequest.get(stand.url("/headers"))
        request.headerFields[.authorization] = "Bearer \(DialMatrixTests.originSecret)"
        for _ in 0..<2 {
            let response = try await client.send(request)
            let head = String(try await response.body.collect(upTo: 1 << 16)).lowercased()
            #expect(response.status == .ok)
            #expect(head.contains(DialMatrixTests.originSecret))
            for secret in DialMatrixTests.proxySecrets {
                #expect(!head.contains(secret.lowercased()), "\(head)")
            }
            #expect(!head.contains("connection:"), "\(head)")
        }
        #expect(stand.server.counters.connectionsAccepted == 1)
        #expect(proxy.connections == (path == .direct ? 0 : 1))
        let isForwarded = stand.way == .http1 && (path == .http || path == .https)
        for seen in proxy.seen {
            #expect(seen.contains(DialMatrixTests.originSecret) == isForwarded, "\(seen)")
        }
        #expect(proxy.seen.count == (path == .direct ? 0 : isForwarded ? 2 : 1))
        #expect(proxy.hasSeenRightLogin)
        if path == .http || path == .https, !isForwarded {
            #expect(proxy.seen.allSatisfy { $0.hasPrefix("CONNECT localhost:") })
        }
        // A name goes to the proxy where the proxy is to resolve it, and nowhere else.
        if path == .socks5 { #expect(proxy.seen.allSatisfy { $0.hasPrefix("127.0.0.1") }) }
        if path == .socks5h { #expect(proxy.seen.allSatisfy { $0.hasPrefix("localhost") }) }
    }

    private func expectRefusal(
        _ client: ExecutorClient, _ stand: Stand, _ proxy: MatrixProxy, _ path: Path
    ) async throws {
        let isForwarded = stand.way == .http1 && (path == .http || path == .https)
        var request = try HTTPRequest.get(stand.url("/headers"))
        request.headerFields[.authorization] = "Bearer \(DialMatrixTests.originSecret)"
        if isForwarded {
            // The proxy itself is the server of a forwarded request: its answer is the response.
            #expect(try await client.send(request).status.code == 407)
        } else {
            let error = await transportError { _ = try await client.send(request) }
            #expect(error?.kind.name == "proxy", "\(String(describing: error))")
            #expect(error?.hop == .proxy)
            #expect(error?.replay == .notSent)
            #expect(error?.description.contains("not-the-secret") == false)
            #expect(error?.description.contains(DialMatrixTests.originSecret) == false)
            #expect(stand.engine.snapshot().connections == 0)
        }
        #expect(proxy.connections == 1)
        #expect(stand.server.counters.connectionsAccepted == 0)
    }
}

/// A proxy of any kind behind one face.
private struct MatrixProxy {
    private let path: DialMatrixTests.Path
    private let http: LoopbackConnectProxy?
    private let socks: LoopbackSOCKSProxy?
    private let credentials: LoopbackCredentials?

    init(_ path: DialMatrixTests.Path, asksForLogin: Bool) throws {
        self.path = path
        credentials =
            asksForLogin ? LoopbackCredentials(user: "user", password: "proxy-secret") : nil
        switch path {
        case .direct: (http, socks) = (nil, nil)
        case .http, .https:
            var options = LoopbackConnectProxy.Options()
            options.credentials = credentials
            if path == .https { options.tls = FixturePaths.certificate("leaf") }
            (http, socks) = (try LoopbackConnectProxy(options), nil)
        case .socks5, .socks5h:
            var options = LoopbackSOCKSProxy.Options()
            options.credentials = credentials
            (http, socks) = (nil, try LoopbackSOCKSProxy(options))
        }
    }

    var port: UInt16 { http?.port ?? socks?.port ?? 0 }
    var connections: Int { http?.counters.connections ?? socks?.counters.connections ?? 0 }

    /// What it was asked for, in its own form.
    var seen: [String] {
        http?.requests ?? socks?.requests.map { "\($0.host):\($0.port)" } ?? []
    }

    /// Whether each request that came had the credentials, or none where none were asked for.
    var hasSeenRightLogin: Bool {
        if let socks { return socks.requests.allSatisfy { $0.credentials == credentials } }
        return seen.allSatisfy { head in
            head.contains("Basic dXNlcjpwcm94eS1zZWNyZXQ=") == (credentials != nil)
        }
    }

    /// The setting that leads to it.
    func text(_ login: DialMatrixTests.Login) -> String {
        guard path != .direct else { return "direct" }
        let user =
            switch login {
            case .none: ""
            case .right: "user:proxy-secret@"
            case .wrong: "user:not-the-secret@"
            }
        return "\(path)://\(user)localhost:\(port)"
    }

    func stop() {
        http?.stop()
        socks?.stop()
    }
}
