import ApusCore
import Testing

/// How a route's proxies are passed: which forwards, and what each is asked for.
@Suite struct RouteProxiesTests {
    private func route(
        _ url: String, via proxies: [String] = [], _ versions: HTTPVersionPolicy = .automatic,
        connectTo: ConnectTarget? = nil, purpose: Route.Purpose = .exchanges
    ) throws -> Route {
        let scheme: Scheme = url.hasPrefix("https") ? .https : .http
        let authority = String(url.dropFirst(scheme.rawValue.count + 3))
        let endpoints = try proxies.map { text in
            guard case .proxy(let endpoint) = try ProxySetting(parsing: text) else {
                throw InvalidRequest(field: "proxy", reason: "is none")
            }
            return endpoint
        }
        return Route(
            origin: try Origin(scheme: scheme, authority: authority), proxies: endpoints,
            versions: versions, tls: EngineTuning.TLS(), localAddress: nil, localInterface: nil,
            connectTo: connectTo, isolation: nil, purpose: purpose)
    }

    @Test func theNearestProxyIsConnectedToFirst() throws {
        let direct = try route("https://a.example:8443")
        #expect(direct.firstHost == "a.example")
        #expect(direct.firstPort == 8443)
        let chain = try route("https://a.example", via: ["http://p:1", "socks5h://q:2"])
        #expect(chain.firstHost == "p")
        #expect(chain.firstPort == 1)
    }

    @Test func theLastHTTPProxyForwardsAnHTTPOriginAlone() throws {
        #expect(try route("http://a.example", via: ["http://p:1"]).isForwarded)
        #expect(try route("http://a.example", via: ["socks5h://q:2", "https://p:1"]).isForwarded)
        #expect(try !route("http://a.example").isForwarded)
        #expect(try !route("https://a.example", via: ["http://p:1"]).isForwarded)
        #expect(try !route("http://a.example", via: ["socks5h://q:2"]).isForwarded)
        #expect(try !route("http://a.example", via: ["http://p:1"], .http2Only).isForwarded)
        #expect(
            try !route("http://a.example", via: ["http://p:1"], purpose: .rawBytes).isForwarded)
    }

    @Test func eachProxyIsAskedForTheNextAndTheLastForTheOrigin() throws {
        let chain = try route("https://a.example", via: ["http://p:1", "socks5h://q:2"])
        #expect(chain.target(after: 0).authority == "q:2")
        #expect(chain.target(after: 1).authority == "a.example:443")
    }

    @Test func connectToIsWhatTheLastProxyIsAskedFor() throws {
        let target = ConnectTarget.address("10.0.0.1", port: 444)
        let route = try route("https://a.example", via: ["http://p:1"], connectTo: target)
        #expect(route.target(after: 0).authority == "10.0.0.1:444")
    }

    @Test func aZoneIsNeverSentToAProxy() {
        #expect(TunnelTarget(host: "fe80::1%eth0", port: 1).authority == "[fe80::1]:1")
        #expect(TunnelTarget(host: "fe80::1", port: 1).authority == "[fe80::1]:1")
    }

    @Test func whatNoProxyCanBeAskedForIsRefused() throws {
        let unix = ConnectTarget.unixSocket(path: "/run/a")
        let address = ConnectTarget.address("10.0.0.1", port: 444)
        let bad = [
            try route("https://[::1]", via: ["socks4a://q:2"]),
            try route("https://a.example", via: ["http://p:1"], connectTo: unix),
            try route("http://a.example", via: ["http://p:1"], connectTo: address),
        ]
        for route in bad { #expect(throws: InvalidRequest.self) { try route.checkProxies() } }
        try route("https://a.example", connectTo: unix).checkProxies()
        try route("https://[::1]", via: ["socks5h://q:2"]).checkProxies()
    }
}
