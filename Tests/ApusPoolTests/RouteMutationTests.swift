import ApusCore
import ApusPool
import Testing

/// FAULTS 2.5: a connection is never given to a route that differs in any part, and always to one
/// that is made anew of equal parts.
@Suite struct RouteMutationTests {
    /// The parts of a route, changed one at a time.
    struct Parts: Sendable {
        var scheme = Scheme.https
        var host = "origin.test"
        var port = 443
        var proxyKind = ProxyEndpoint.Kind.http
        var proxyHost = "proxy.test"
        var proxyPort = 3128
        var user = "user"
        var password = "word"
        var versions = HTTPVersionPolicy.automatic
        var tls = EngineTuning.TLS()
        var localAddress: String? = "127.0.0.1"
        var connectTo: ConnectTarget? = .address("127.0.0.1", port: 1)
        var isolation: IsolationScope? = "scope"

        func route() throws -> Route {
            Route(
                origin: try Origin(scheme: scheme, host: host, port: port),
                proxy: try ProxyEndpoint(
                    kind: proxyKind, host: proxyHost, port: proxyPort,
                    credentials: try ProxyCredentials(user: user, password: password)),
                versions: versions, tls: tls, localAddress: localAddress, connectTo: connectTo,
                isolation: isolation)
        }
    }

    static let mutations: [@Sendable (inout Parts) -> Void] = [
        { $0.scheme = .http },
        { $0.host = "other.test" },
        { $0.port = 444 },
        { $0.proxyKind = .https },
        { $0.proxyKind = .socks5h },
        { $0.proxyHost = "other.test" },
        { $0.proxyPort = 3129 },
        { $0.user = "other" },
        { $0.password = "other" },
        { $0.versions = .http2Only },
        { $0.versions = .http1Only(alpn: .http1) },
        { $0.versions = .http1Only(alpn: .omit) },
        { $0.tls.roots = .file("roots.pem") },
        { $0.tls.roots = .pem("roots") },
        { $0.tls.identity = .init(certificateFile: "a.pem", keyFile: "a.key") },
        { $0.tls.identity = .init(certificateFile: "a.pem", keyFile: "b.key") },
        { $0.tls.minimumVersion = .tls13 },
        { $0.tls.maximumVersion = .tls12 },
        { $0.tls.serverName = "name.test" },
        { $0.tls.insecureSkipVerify = true },
        { $0.localAddress = nil },
        { $0.localAddress = "127.0.0.2" },
        { $0.connectTo = nil },
        { $0.connectTo = .address("127.0.0.1", port: 2) },
        { $0.connectTo = .unixSocket(path: "/socket") },
        { $0.isolation = nil },
        { $0.isolation = "other" },
    ]

    @Test(arguments: mutations.indices)
    func eachChangedPartOpensAConnectionAndEqualPartsReuseOne(_ index: Int) throws {
        let driver = PoolDriver()
        var changed = Parts()
        Self.mutations[index](&changed)
        var connections: [ConnectionID] = []
        for parts in [Parts(), changed] {
            #expect(driver.wait(try parts.route()) != nil, "a connection is dialled")
            let dialled = try #require(driver.dials.first)
            driver.establish(dialled)
            driver.release(dialled)
            let again = try #require(driver.take(try parts.route()), "equal parts reuse it")
            #expect(again == dialled)
            driver.release(again)
            connections.append(again)
        }
        #expect(connections[0] != connections[1])
        #expect(driver.pool.counters.established == 2)
        #expect(driver.pool.counters.reuses == 2)
    }
}
