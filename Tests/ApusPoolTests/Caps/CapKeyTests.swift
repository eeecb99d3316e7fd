import ApusCore
import ApusPool
import Testing

/// Which caps count a route.
@Suite struct CapKeyTests {
    private static func limits(
        _ engine: Int? = nil, _ origin: Int? = nil, _ proxy: Int? = nil
    ) -> CapLimits {
        var pool = EngineTuning.Pool()
        pool.maxConnections = engine
        pool.maxConnectionsPerOrigin = origin
        pool.maxConnectionsPerProxy = proxy
        return CapLimits(pool)
    }

    private func names(_ limits: CapLimits, _ route: Route) -> [String] {
        limits.entries(of: route).map { "\($0.key) \($0.limit)" }
    }

    @Test func noCapIsSetByDefault() throws {
        let limits = CapLimits(EngineTuning.Pool())
        #expect(limits.areOff)
        #expect(limits.entries(of: Routes.plain()).isEmpty)
    }

    @Test func proxiesComeBeforeTheOriginAndTheEngine() throws {
        let route = try Routes.secure("a.test", through: ["http://u:p@one:1", "socks5://two:2"])
        let all = Self.limits(7, 8, 9)
        #expect(!all.areOff)
        #expect(
            names(all, route)
                == ["http://one:1 9", "socks5://two:2 9", "https://a.test 8", "engine 7"])
        #expect(names(Self.limits(7), route) == ["engine 7"])
        #expect(names(Self.limits(nil, 8), route) == ["https://a.test 8"])
        #expect(names(Self.limits(nil, nil, 9), Routes.plain()).isEmpty)
    }

    @Test func aProxyThatIsPassedTwiceCountsOnce() throws {
        let route = try Routes.secure("a.test", through: ["http://one:1", "http://u:p@one:1"])
        #expect(names(Self.limits(nil, nil, 9), route) == ["http://one:1 9"])
    }

    @Test func eachKeyHasACauseOfItsOwn() throws {
        let route = try Routes.secure("a.test", through: ["http://one:1"])
        #expect(
            Self.limits(1, 1, 1).entries(of: route).map(\.key.cause)
                == [.connectionsPerProxy, .connectionsPerOrigin, .connectionsPerEngine])
    }
}

extension Routes {
    /// A route with proxies and a scope.
    static func secure(
        _ host: String = "secure.test", through proxies: [String] = [], scope: String? = nil,
        _ scheme: Scheme = .https
    ) throws -> Route {
        Route(
            origin: try Origin(scheme: scheme, host: host),
            proxies: try proxies.map { try ProxyEndpoint(parsing: $0) },
            isolation: scope.map { IsolationScope($0) })
    }

    /// A route in the clear, as `secure`.
    static func plain(
        _ host: String, through proxies: [String] = [], scope: String? = nil
    ) throws -> Route {
        try secure(host, through: proxies, scope: scope, .http)
    }
}
