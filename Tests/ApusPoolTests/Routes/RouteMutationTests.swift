import ApusCore
import ApusPool
import HTTPTypes
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
        var user: String? = "user"
        var password = "word"
        var proxyOptions = ProxyEndpoint.Options()
        /// Proxies before and after the one that the other parts describe.
        var before: [String] = []
        var after: [String] = []
        var versions = HTTPVersionPolicy.automatic
        var tls = EngineTuning.TLS()
        var localAddress: String? = "127.0.0.1"
        var localInterface: String?
        var connectTo: ConnectTarget? = .address("127.0.0.1", port: 1)
        var isolation: IsolationScope? = "scope"
        var purpose = Route.Purpose.exchanges

        func route() throws -> Route {
            let proxy = try ProxyEndpoint(
                kind: proxyKind, host: proxyHost, port: proxyPort,
                credentials: try user.map {
                    try ProxyCredentials(user: $0, password: password)
                }, options: proxyOptions)
            return Route(
                origin: try Origin(scheme: scheme, host: host, port: port),
                proxies: try before.map { try ProxyEndpoint(parsing: $0) } + [proxy]
                    + after.map { try ProxyEndpoint(parsing: $0) },
                versions: versions, tls: tls, localAddress: localAddress,
                localInterface: localInterface,
                connectTo: connectTo,
                isolation: isolation, purpose: purpose)
        }
    }

    static let mutations: [@Sendable (inout Parts) -> Void] = [
        { $0.scheme = .http },
        { $0.host = "other.test" },
        { $0.port = 444 },
        { $0.proxyKind = .https },
        { $0.proxyKind = .socks5h },
        {
            $0.proxyKind = .socks4a
            $0.password = ""
        },
        { $0.proxyHost = "other.test" },
        { $0.proxyPort = 3129 },
        { $0.user = nil },
        { $0.user = "other" },
        { $0.password = "other" },
        { $0.proxyOptions.fields = [.userAgent: "a"] },
        { $0.proxyOptions.authentication = .whenAsked },
        {
            $0.user = nil
            $0.proxyOptions.authentication = .answering(ProxyAuthenticator(begin: { _, _ in {} }))
        },
        { $0.proxyOptions.allowsHTTP2 = false },
        { $0.before = ["http://proxy.test:3128"] },
        { $0.before = ["socks5://first.test"] },
        { $0.after = ["http://user:word@proxy.test:3128"] },
        { $0.after = ["http://last.test"] },
        { $0.after = ["http://other:word@last.test"] },
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
        { $0.tls.resumption = false },
        { $0.tls.maxSessionsPerRoute = 3 },
        { $0.tls.roots = .bytes(Bytes("roots")) },
        { $0.tls.roots = .source(sources[0]) },
        { $0.tls.roots = .source(sources[1]) },
        { $0.tls.identity = .init(certificate: Bytes("a"), key: Bytes("b")) },
        { $0.tls.identity = .init(certificate: Bytes("c"), key: Bytes("b")) },
        { $0.tls.identity = .init(certificate: Bytes("a"), key: Bytes("c")) },
        { $0.tls.identity = .init(pkcs12: Bytes("a")) },
        { $0.tls.identity = .init(pkcs12File: "a") },
        { $0.tls.identity = .init(pkcs12File: "a", password: "a") },
        { $0.tls.identity = .init(pkcs12File: "a", password: "b") },
        { $0.tls.verifiedName = "name.test" },
        { $0.tls.sendsServerName = false },
        { $0.tls.tls12CipherSuites = ["ECDHE-RSA-AES128-GCM-SHA256"] },
        { $0.tls.tls13CipherSuites = ["TLS_AES_128_GCM_SHA256"] },
        { $0.tls.groups = ["X25519"] },
        { $0.tls.groups = ["P-256"] },
        { $0.tls.pins = pins(1) },
        { $0.tls.pins = pins(2) },
        { $0.tls.verifier = verifiers[0] },
        { $0.tls.verifier = verifiers[1] },
        { $0.tls.allowsPartialChain = true },
        { $0.tls.isStrict = false },
        { $0.tls.keyLog = keyLog },
        { $0.localAddress = nil },
        { $0.localAddress = "127.0.0.2" },
        { $0.localInterface = "lo" },
        { $0.host = "fe80::1%1" },
        { $0.host = "fe80::1%2" },
        { $0.connectTo = nil },
        { $0.connectTo = .address("127.0.0.1", port: 2) },
        { $0.connectTo = .unixSocket(path: "/socket") },
        { $0.isolation = nil },
        { $0.isolation = "other" },
        { $0.purpose = .upgrade },
        { $0.purpose = .rawBytes },
    ]

    /// A field that is added to a route, or to anything in it, needs a mutation above.
    @Test("FAULTS 2.5: every field of a route is mutated above")
    func noFieldIsForgotten() throws {
        var never = Self.leaves(of: try Parts().route())
        let before = never
        // Worked out from the others.
        never["parts.hash"] = nil
        never = never.filter { !$0.key.hasSuffix(".isASCII") }
        // They show nothing, as they should; each is mutated above all the same.
        never = never.filter { !$0.key.hasSuffix(".credentials") }
        for mutation in Self.mutations {
            var parts = Parts()
            mutation(&parts)
            let after = Self.leaves(of: try parts.route())
            never = never.filter { after[$0.key] == $0.value }
        }
        #expect(before.count > 20)
        #expect(never.keys.sorted() == [])
    }

    /// Every stored value in a value, by its path.
    private static func leaves(of value: Any, at path: String = "") -> [String: String] {
        let mirror = Mirror(reflecting: value)
        let children = Array(mirror.children)
        guard !children.isEmpty, mirror.displayStyle != .enum else {
            return [path: String(describing: value)]
        }
        var found: [String: String] = [:]
        for (index, child) in children.enumerated() {
            // An optional's content is at the optional's own path.
            let name = child.label == "some" ? nil : child.label ?? "\(index)"
            let inner = [path, name ?? ""].filter { !$0.isEmpty }.joined(separator: ".")
            found.merge(leaves(of: child.value, at: inner)) { first, _ in first }
        }
        return found
    }

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
        #expect(driver.pool.counters.connectionsOpened == 2)
        #expect(driver.pool.counters.reuses == 2)
    }

    /// What TLS to an https proxy goes by, changed one part at a time.
    static let tlsMutations: [@Sendable (inout EngineTuning.TLS) -> Void] = [
        { $0.roots = .pem("roots") },
        { $0.identity = .init(certificateFile: "a.pem", keyFile: "a.key") },
        { $0.minimumVersion = .tls13 },
        { $0.serverName = "name.test" },
        { $0.insecureSkipVerify = true },
    ]

    @Test(arguments: tlsMutations.indices)
    func theProxysOwnTLSIsAPartOfTheKey(_ index: Int) throws {
        func route(_ change: ((inout EngineTuning.TLS) -> Void)?) throws -> Route {
            var parts = Parts()
            parts.proxyKind = .https
            if let change {
                var tls = EngineTuning.TLS()
                change(&tls)
                parts.proxyOptions.tls = tls
            }
            return try parts.route()
        }
        let changed = Self.tlsMutations[index]
        #expect(try route(nil) != route(changed))
        #expect(try route { _ in } != route(changed))
        #expect(try route(changed) == route(changed))
        #expect(try route(changed).hashValue == route(changed).hashValue)
    }
}

/// So many pins, of no key.
private func pins(_ count: UInt8) -> Set<PublicKeyPin> {
    Set((1...count).compactMap { PublicKeyPin(digest: [UInt8](repeating: $0, count: 32)) })
}

// Equal only to themselves, so each is made once.
private let sources = [TLSSource { .empty }, TLSSource { .empty }]
private let verifiers = [PeerVerifier { _, _ in {} }, PeerVerifier { _, _ in {} }]
private let keyLog = TLSKeyLog { _ in }
