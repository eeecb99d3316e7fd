import ApusCore
import Testing

/// The parts of a route, each of which a test can change alone.
private struct Parts {
    var scheme = Scheme.https
    var host = "example.com"
    var port = 8443
    var proxy = "http://user:word@proxy:3128"
    var versions = HTTPVersionPolicy.automatic
    var tls = EngineTuning.TLS()
    var localAddress: String? = "127.0.0.1"
    var localInterface: String?
    var connectTo: ConnectTarget? = .address("10.0.0.1", port: 443)
    var isolation: IsolationScope? = "tenant"

    func route() throws -> Route {
        var proxyEndpoint: ProxyEndpoint?
        if case .proxy(let endpoint) = try ProxySetting(parsing: proxy) { proxyEndpoint = endpoint }
        return Route(
            origin: try Origin(scheme: scheme, host: host, port: port),
            proxies: proxyEndpoint.map { [$0] } ?? [],
            versions: versions, tls: tls, localAddress: localAddress,
            localInterface: localInterface,
            connectTo: connectTo,
            isolation: isolation)
    }
}

/// One change of one part; each must make another route.
private struct Mutation: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let apply: @Sendable (inout Parts) -> Void

    init(_ name: String, _ apply: @escaping @Sendable (inout Parts) -> Void) {
        testDescription = name
        self.apply = apply
    }
}

/// A difference in any one part makes another route; descriptions hold no secrets.
@Suite struct RouteTests {
    @Test func equalPartsMakeOneRoute() throws {
        let (first, second) = (try Parts().route(), try Parts().route())
        #expect(first == second)
        #expect(first.hashValue == second.hashValue)
        #expect(Set([first, second]).count == 1)
    }

    @Test(arguments: mutations)
    fileprivate func routesDifferInEachPart(_ mutation: Mutation) throws {
        let plain = try Parts().route()
        var parts = Parts()
        mutation.apply(&parts)
        let changed = try parts.route()
        #expect(changed != plain)
        #expect(plain != changed)
        #expect(Set([plain, changed]).count == 2)
        #expect(try parts.route() == changed)
    }

    @Test func allMutationsAreDifferentFromOneAnother() throws {
        let routes = try mutations.map { mutation in
            var parts = Parts()
            mutation.apply(&parts)
            return try parts.route()
        }
        #expect(Set(routes).count == mutations.count)
    }

    @Test func aRouteGivesBackItsParts() throws {
        let route = try Parts().route()
        #expect(route.origin.description == "https://example.com:8443")
        #expect(route.proxies.first?.description == "http://proxy:3128")
        #expect(route.versions == .automatic)
        #expect(route.tls == EngineTuning.TLS())
        #expect(route.localAddress == "127.0.0.1")
        #expect(route.connectTo == .address("10.0.0.1", port: 443))
        #expect(route.isolation == "tenant")
    }

    // MARK: Descriptions

    @Test func aDescriptionNamesTheWayWithoutSecrets() throws {
        let isolation: IsolationScope = "tenant"
        let text = try Parts().route().description
        #expect(
            text == "https://example.com:8443 via http://proxy:3128 at 10.0.0.1:443 in \(isolation)"
        )
        for secret in ["user", "word", "tenant"] {
            #expect(!text.contains(secret))
            #expect(!String(reflecting: try Parts().route()).contains(secret))
        }
    }

    @Test func aPlainRouteIsDescribedByItsOriginAlone() throws {
        let route = Route(origin: try Origin(scheme: .http, host: "h"))
        #expect(route.description == "http://h")
        #expect(route.proxies.isEmpty && route.connectTo == nil && route.isolation == nil)
        #expect(route.localAddress == nil)
    }

    @Test(arguments: [
        (ConnectTarget.address("10.0.0.1", port: 1), "10.0.0.1:1"),
        (.address("::1", port: 2), "[::1]:2"), (.unixSocket(path: "/run/a"), "unix:/run/a"),
    ])
    func aConnectTargetDescribesItself(target: ConnectTarget, text: String) {
        #expect(target.description == text)
    }
}

private let mutations: [Mutation] = [
    Mutation("scheme") { $0.scheme = .http },
    Mutation("host") { $0.host = "example.org" },
    Mutation("port") { $0.port = 8444 },
    Mutation("no proxy") { $0.proxy = "" },
    Mutation("proxy kind") { $0.proxy = "https://user:word@proxy:3128" },
    Mutation("proxy host") { $0.proxy = "http://user:word@proxy2:3128" },
    Mutation("proxy port") { $0.proxy = "http://user:word@proxy:3129" },
    Mutation("proxy user") { $0.proxy = "http://other:word@proxy:3128" },
    Mutation("proxy password") { $0.proxy = "http://user:other@proxy:3128" },
    Mutation("no credentials") { $0.proxy = "http://proxy:3128" },
    Mutation("SOCKS, names here") { $0.proxy = "socks5://user:word@proxy:3128" },
    Mutation("SOCKS, names there") { $0.proxy = "socks5h://user:word@proxy:3128" },
    Mutation("HTTP/2 only") { $0.versions = .http2Only },
    Mutation("HTTP/1.1 by ALPN") { $0.versions = .http1Only(alpn: .http1) },
    Mutation("HTTP/1.1 without ALPN") { $0.versions = .http1Only(alpn: .omit) },
    Mutation("roots in a file") { $0.tls.roots = .file("a") },
    Mutation("other roots in a file") { $0.tls.roots = .file("b") },
    Mutation("roots in a text") { $0.tls.roots = .pem("a") },
    Mutation("identity") { $0.tls.identity = .init(certificateFile: "a", keyFile: "b") },
    Mutation("another certificate") {
        $0.tls.identity = .init(certificateFile: "c", keyFile: "b")
    },
    Mutation("another key") { $0.tls.identity = .init(certificateFile: "a", keyFile: "c") },
    Mutation("minimum version") { $0.tls.minimumVersion = .tls13 },
    Mutation("maximum version") { $0.tls.maximumVersion = .tls12 },
    Mutation("server name") { $0.tls.serverName = "example.net" },
    Mutation("no verification") { $0.tls.insecureSkipVerify = true },
    Mutation("roots in bytes") { $0.tls.roots = .bytes(Bytes("roots")) },
    Mutation("roots from a source") { $0.tls.roots = .source(sources[0]) },
    Mutation("roots from another source") { $0.tls.roots = .source(sources[1]) },
    Mutation("identity in bytes") {
        $0.tls.identity = .init(certificate: Bytes("a"), key: Bytes("b"))
    },
    Mutation("another certificate in bytes") {
        $0.tls.identity = .init(certificate: Bytes("c"), key: Bytes("b"))
    },
    Mutation("another key in bytes") {
        $0.tls.identity = .init(certificate: Bytes("a"), key: Bytes("c"))
    },
    Mutation("identity in PKCS#12") { $0.tls.identity = .init(pkcs12: Bytes("a")) },
    Mutation("another PKCS#12 file") { $0.tls.identity = .init(pkcs12File: "a") },
    Mutation("a password") { $0.tls.identity = .init(pkcs12File: "a", password: "a") },
    Mutation("another password") { $0.tls.identity = .init(pkcs12File: "a", password: "b") },
    Mutation("verified name") { $0.tls.verifiedName = "name.test" },
    Mutation("no name sent") { $0.tls.sendsServerName = false },
    Mutation("ciphers of TLS 1.2") { $0.tls.tls12CipherSuites = ["ECDHE-RSA-AES128-GCM-SHA256"] },
    Mutation("ciphers of TLS 1.3") { $0.tls.tls13CipherSuites = ["TLS_AES_128_GCM_SHA256"] },
    Mutation("groups") { $0.tls.groups = ["X25519"] },
    Mutation("other groups") { $0.tls.groups = ["P-256"] },
    Mutation("a pin") { $0.tls.pins = pins(1) },
    Mutation("more pins") { $0.tls.pins = pins(2) },
    Mutation("a verifier") { $0.tls.verifier = verifiers[0] },
    Mutation("another verifier") { $0.tls.verifier = verifiers[1] },
    Mutation("partial chains") { $0.tls.allowsPartialChain = true },
    Mutation("no strict rules") { $0.tls.isStrict = false },
    Mutation("key log") { $0.tls.keyLog = keyLog },
    Mutation("no resumption") { $0.tls.resumption = false },
    Mutation("sessions kept") { $0.tls.maxSessionsPerRoute = 3 },
    Mutation("no local address") { $0.localAddress = nil },
    Mutation("local address") { $0.localAddress = "127.0.0.2" },
    Mutation("local interface") { $0.localInterface = "lo" },
    Mutation("no connect target") { $0.connectTo = nil },
    Mutation("connect address") { $0.connectTo = .address("10.0.0.2", port: 443) },
    Mutation("connect port") { $0.connectTo = .address("10.0.0.1", port: 444) },
    Mutation("Unix socket") { $0.connectTo = .unixSocket(path: "/a") },
    Mutation("another Unix socket") { $0.connectTo = .unixSocket(path: "/b") },
    Mutation("no isolation") { $0.isolation = nil },
    Mutation("isolation") { $0.isolation = "other" },
]

/// So many pins, of no key.
private func pins(_ count: UInt8) -> Set<PublicKeyPin> {
    Set((1...count).compactMap { PublicKeyPin(digest: [UInt8](repeating: $0, count: 32)) })
}

// Equal only to themselves, so each is made once.
private let sources = [TLSSource { .empty }, TLSSource { .empty }]
private let verifiers = [PeerVerifier { _, _ in {} }, PeerVerifier { _, _ in {} }]
private let keyLog = TLSKeyLog { _ in }
