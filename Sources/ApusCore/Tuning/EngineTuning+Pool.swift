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
        /// Pause between a failed dial of a route and the next one, doubled with each that fails in
        /// a row and shortened by up to a half, at random; `nil` is off.
        ///
        /// Default 50 ms. A route that did not fail lately is dialled at once. A request that comes
        /// in the pause, while no connection of its route is open, fails at once with the error of
        /// the dial that failed, unless `RequestOptions.waitsOutBackoff` is set.
        public var dialBackoff: Duration? = .milliseconds(50)
        /// What that pause may grow to.
        ///
        /// Default 1 s.
        public var maxDialBackoff: Duration = .seconds(1)
        /// How long a dial that several requests wait for may take before a second one starts
        /// beside it; `nil` is off.
        ///
        /// Default 300 ms. While a route may turn out to be HTTP/2, one dial is made for all who
        /// wait: a peer that accepts it and never answers would else hold all of them up for as
        /// long as that dial may take. Whichever of the two is first serves them.
        public var hedgeDelay: Duration? = .milliseconds(300)
        /// How long a dial goes on when its request was cancelled or ran out of time, and no other
        /// waits for it; `nil` gives it up at once.
        ///
        /// What it makes meanwhile serves the next request, or is kept. Default 1 s. One whose
        /// connection would be of no use to others, as for a raw tunnel, is given up at once.
        public var dialGrace: Duration? = .seconds(1)
        /// Callers waiting per route; the next is refused.
        ///
        /// Default 1024.
        public var maxWaitersPerHost = 1024
        /// How long a caller waits in line for a connection before it fails; `nil` is for ever.
        ///
        /// Default 10 s. While a connection is being made for the caller, alone or with others, the
        /// budgets of that dial decide (`EngineTuning.Dial`), and what fails is the dial.
        public var acquireTimeout: Duration? = .seconds(10)
        /// How long an idle connection is kept; `nil` is for ever.
        ///
        /// Default 90 s.
        public var idleTimeout: Duration? = .seconds(90)
        /// How old a connection may grow before it takes no more exchanges; `nil`, the default, is
        /// no limit.
        public var lifetime: Duration?
        /// Exchanges that one connection may carry before it is closed; `nil`, the default, is no
        /// limit.
        public var maxRequestsPerConnection: Int?
        /// Whether an origin that ends idle connections sooner than `idleTimeout` is learned from.
        ///
        /// After two idle periods that it ended, connections to it are closed a little before that
        /// time. Default true.
        public var learnsIdleTime = true

        public init() {}
    }
}
