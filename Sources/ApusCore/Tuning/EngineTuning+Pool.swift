// How many connections are kept, and for how long.
extension EngineTuning {
    /// How many connections are kept, for how long, and how long requests wait for one.
    public struct Pool: Sendable, Hashable {
        /// Idle connections kept in all; `nil` is unlimited, 0 keeps none.
        ///
        /// Default 100.
        public var maxIdle: Int? = 100
        /// Idle connections kept per route; `nil` is unlimited, 0 keeps none.
        ///
        /// Default 2.
        public var maxIdlePerHost: Int? = 2
        /// Connections per route, including dials in flight; `nil`, the default, is unlimited.
        ///
        /// Each isolation scope and each proxy makes a route of its own; `maxConnectionsPerOrigin`
        /// counts over all of them.
        public var maxConnectionsPerHost: Int?
        /// Connections of the whole engine, including dials in flight; `nil`, the default, is
        /// unlimited.
        ///
        /// At this cap, as at the two that follow, the idle connection used longest ago is closed
        /// to make room, whatever its route; without one the request waits, and the request that
        /// has waited longest is served first.
        public var maxConnections: Int?
        /// Connections of one origin over all its routes, whatever their proxies, credentials and
        /// isolation scopes, including dials in flight; `nil`, the default, is unlimited.
        public var maxConnectionsPerOrigin: Int?
        /// Connections through one proxy (kind, host and port) over all origins, credentials and
        /// isolation scopes, including dials in flight; `nil`, the default, is unlimited.
        ///
        /// In a chain, each proxy counts the connection once.
        public var maxConnectionsPerProxy: Int?
        /// Dials in flight per route; `nil`, the default, is unlimited.
        ///
        /// A route that may use HTTP/2 grows by at most 4 at a time.
        public var maxDialsPerHost: Int?
        /// The pause between a failed dial of a route and the next, doubled with each failure in a
        /// row and shortened at random by up to a half; `nil` is off.
        ///
        /// Default 50 ms. A route without a recent failure is dialled at once. A request that
        /// arrives in the pause, while no connection of its route is open, fails at once with the
        /// error of the failed dial, unless `RequestOptions.waitsOutBackoff` is set.
        public var dialBackoff: Duration? = .milliseconds(50)
        /// The longest such pause.
        ///
        /// Default 1 s.
        public var maxDialBackoff: Duration = .seconds(1)
        /// How long no connection is made through a proxy that is failing, doubled each time that
        /// the one dial that then probes it fails as well; `nil` is off.
        ///
        /// Default 5 s. A proxy is failing after dials of two routes (credentials, origins, scopes)
        /// failed through its own fault within 60 s. Its requests then use the connections that
        /// are open, or fail at once with that fault: `notSent`, at the hop `proxy`. They never go
        /// without the proxy.
        public var proxyBackoff: Duration? = .seconds(5)
        /// The longest such time; for one target of a proxy, which may be at fault itself, it is at
        /// most 30 s.
        ///
        /// Default 10 min.
        public var maxProxyBackoff: Duration = .seconds(600)
        /// How long a dial that several requests wait for may take before a second one starts in
        /// parallel; `nil` is off.
        ///
        /// Default 300 ms. While a route may turn out to be HTTP/2, one dial is made for all
        /// waiting requests, and a peer that accepts it but never answers would block all of them.
        /// The first of the two connections serves them.
        public var hedgeDelay: Duration? = .milliseconds(300)
        /// How long a dial continues when its request was cancelled or timed out and no other
        /// request waits for it; `nil` abandons it at once.
        ///
        /// A connection made in that time serves the next request or is kept. Default 1 s. A dial
        /// whose connection no other request could use, as for a raw tunnel, is abandoned at once.
        public var dialGrace: Duration? = .seconds(1)
        /// Requests that may wait per route; further ones are refused.
        ///
        /// Default 1024.
        public var maxWaitersPerHost = 1024
        /// How long a request waits in the queue for a connection; `nil` is no limit.
        ///
        /// Default 10 s. While a connection is being made for the request, the timeouts of that
        /// dial apply instead (`EngineTuning.Dial`).
        public var acquireTimeout: Duration? = .seconds(10)
        /// How long an idle connection is kept; `nil` is no limit.
        ///
        /// Default 90 s.
        public var idleTimeout: Duration? = .seconds(90)
        /// The age at which a connection gets no new exchanges; `nil`, the default, is no limit.
        public var lifetime: Duration?
        /// The number of exchanges after which a connection is closed; `nil`, the default, is no
        /// limit.
        public var maxRequestsPerConnection: Int?
        /// Whether the engine learns how long an origin keeps idle connections, where that is less
        /// than `idleTimeout`.
        ///
        /// After two idle periods that the origin ended, connections to it are closed shortly
        /// before that time. Default `true`.
        public var learnsIdleTime = true
        /// Whether idle connections are closed after the system has slept, and those over HTTP/2
        /// that carry something are asked by a PING at once.
        ///
        /// Default `true`. Sleep is what the clock that counts it (CLOCK_BOOTTIME) has gained on
        /// the one that does not (CLOCK_MONOTONIC).
        public var noticesSleep = true

        /// Creates the default settings.
        public init() {}
    }
}
