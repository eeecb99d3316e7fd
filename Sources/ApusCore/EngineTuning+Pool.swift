// How many connections are kept, and how long for.
extension EngineTuning {
    /// How many connections are kept, for how long, and how long callers wait for one.
    public struct Pool: Sendable, Hashable {
        /// Idle connections kept over all routes; `nil` is unlimited, 0 keeps none.
        ///
        /// Default 100.
        public var maxIdle: Int? = 100
        /// Idle connections kept per route; `nil` is unlimited, 0 keeps none.
        ///
        /// Default 2.
        public var maxIdlePerHost: Int? = 2
        /// Connections per route, dials in flight included; `nil` is unlimited, which is the
        /// default.
        public var maxConnectionsPerHost: Int?
        /// Dials in flight per route.
        ///
        /// Default 4 for HTTP/2-capable routes to grow by; `nil` is unlimited.
        public var maxDialsPerHost: Int?
        /// Callers waiting per route; the next is refused.
        ///
        /// Default 1024.
        public var maxWaitersPerHost = 1024
        /// How long a caller waits for a connection before it fails; `nil` is for ever.
        ///
        /// Default 10 s.
        public var acquireTimeout: Duration? = .seconds(10)
        /// How long an idle connection is kept; `nil` is for ever.
        ///
        /// Default 90 s.
        public var idleTimeout: Duration? = .seconds(90)
        /// How old a connection may grow before it takes no more exchanges; `nil`, the default, is
        /// no limit.
        public var lifetime: Duration?

        public init() {}
    }
}
