import Apus
import Loopback
import Testing

/// Requests through each kind of proxy.
@Suite(.timeLimit(.minutes(5))) struct ProxyTests {
    enum Kind: String, CaseIterable, Sendable { case http, https, socks5, socks5h }

    @Test(arguments: Kind.allCases, ProtocolVariant.allCases)
    func throughEachProxyOverEachWay(_ kind: Kind, _ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let proxy = try ProxyUnderTest(
                kind, credentials: .init(user: "user", password: "p:ss word"))
            defer { proxy.stop() }
            let setting = try ProxySetting(
                parsing: "\(kind)://user:p%3Ass%20word@localhost:\(proxy.port)")
            for index in 0..<8 {
                let client = ExecutorClient(
                    stand.engine, proxy: setting, versions: variant.versions)
                let response = try await client.send(.get(stand.url("/bytes/\(index * 1000)")))
                #expect(try await checkPattern(response.body) == index * 1000)
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(proxy.connections == 1)
            let headers = try await ExecutorClient(
                stand.engine, proxy: setting, versions: variant.versions
            )
            .send(.get(stand.url("/headers"))).body.collect(upTo: 4096)
            #expect(!String(headers).lowercased().contains("proxy"))
        }
    }

    @Test(arguments: Kind.allCases)
    func wrongCredentialsAreReportedAndNeverSentDirectly(_ kind: Kind) async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try ProxyUnderTest(
                kind, credentials: .init(user: "user", password: "right"))
            defer { proxy.stop() }
            let setting = try ProxySetting(parsing: "\(kind)://user:wrong@localhost:\(proxy.port)")
            let client = ExecutorClient(stand.engine, proxy: setting)
            let error = await transportError { _ = try await client.send(.get(stand.url("/"))) }
            #expect(error?.kind.name == "proxy")
            #expect(error?.hop == .proxy)
            #expect(error?.replay == .notSent)
            #expect(error?.description.contains("wrong") == false)
            #expect(stand.server.counters.connectionsAccepted == 0)
            if kind == .http || kind == .https { #expect(error?.proxyAnswer?.status == 407) }
        }
    }

    @Test func differentCredentialsAreDifferentRoutes() async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackConnectProxy()
            defer { proxy.stop() }
            for user in ["a", "b", "a"] {
                let setting = try ProxySetting(parsing: "http://\(user):x@127.0.0.1:\(proxy.port)")
                let client = ExecutorClient(stand.engine, proxy: setting)
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            }
            #expect(proxy.connectRequests.count == 2)
        }
    }

    @Test func aFailedConnectKeepsTheProxysWords() async throws {
        var options = LoopbackConnectProxy.Options()
        options.refusal = 403
        options.refusalBody = "not through here"
        let proxy = try LoopbackConnectProxy(options)
        let engine = try TransportEngine()
        let client = ExecutorClient(
            engine, proxy: try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)"))
        let error = await transportError { _ = try await client.send(.get("https://origin.test/")) }
        #expect(error?.kind == .proxyStatus(403))
        #expect(error.map { String($0.proxyAnswer?.body ?? .empty) } == "not through here")
        await engine.shutdown()
        proxy.stop()
    }

    @Test func socks5hLeavesTheNameToTheProxy() async throws {
        try await withStand(.http1) { stand in
            let proxy = try LoopbackSOCKSProxy()
            defer { proxy.stop() }
            for kind in ["socks5", "socks5h"] {
                let client = ExecutorClient(
                    stand.engine,
                    proxy: try ProxySetting(parsing: "\(kind)://127.0.0.1:\(proxy.port)"))
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            }
            #expect(proxy.requests.map(\.kind) == [.ipv4, .name])
        }
    }
}

/// A proxy of either family.
private struct ProxyUnderTest {
    private let http: LoopbackConnectProxy?
    private let socks: LoopbackSOCKSProxy?

    init(_ kind: ProxyTests.Kind, credentials: LoopbackCredentials) throws {
        switch kind {
        case .http, .https:
            var options = LoopbackConnectProxy.Options()
            options.credentials = credentials
            if kind == .https { options.tls = FixturePaths.certificate("leaf") }
            http = try LoopbackConnectProxy(options)
            socks = nil
        case .socks5, .socks5h:
            var options = LoopbackSOCKSProxy.Options()
            options.credentials = credentials
            socks = try LoopbackSOCKSProxy(options)
            http = nil
        }
    }

    var port: UInt16 { http?.port ?? socks?.port ?? 0 }
    var connections: Int { http?.counters.connections ?? socks?.counters.connections ?? 0 }

    func stop() {
        http?.stop()
        socks?.stop()
    }
}
