import ApusCore

/// The tuning's numbers as the machine compares with them; "off" is the largest number.
struct PoolLimits: Sendable {
    let idle: Int
    let idlePerHost: Int
    let connectionsPerHost: Int
    let waitersPerHost: Int
    let multiplexedPerHost: Int
    /// Exchanges on a connection for many from which the next one prefers another connection.
    let preferredPerConnection: Int
    let requestsPerConnection: Int
    let learnsIdleTime: Bool
    /// In nanoseconds.
    let idleTimeout: Int64
    let lifetime: Int64
    let pause: DialPause.Limits
    /// How long several callers wait for one dial before a second one starts; `never` is off.
    let hedgeDelay: Int64
    /// How long a dial without a waiter may go on; 0 is not at all.
    let dialGrace: Int64
    private let dialsPerHost: Int?

    init(_ tuning: EngineTuning.Pool, http2: EngineTuning.HTTP2) {
        idle = tuning.maxIdle ?? .max
        idlePerHost = tuning.maxIdlePerHost ?? .max
        connectionsPerHost = tuning.maxConnectionsPerHost ?? .max
        waitersPerHost = tuning.maxWaitersPerHost
        multiplexedPerHost = http2.maxConnectionsPerHost
        preferredPerConnection = http2.preferredStreamsPerConnection ?? .max
        requestsPerConnection = tuning.maxRequestsPerConnection ?? .max
        learnsIdleTime = tuning.learnsIdleTime
        idleTimeout = tuning.idleTimeout?.nanoseconds ?? .never
        lifetime = tuning.lifetime?.nanoseconds ?? .never
        pause = DialPause.Limits(
            first: tuning.dialBackoff?.nanoseconds, most: tuning.maxDialBackoff.nanoseconds)
        hedgeDelay = tuning.hedgeDelay?.nanoseconds ?? .never
        dialGrace = tuning.dialGrace?.nanoseconds ?? 0
        dialsPerHost = tuning.maxDialsPerHost
    }

    /// Dials at once; without a number of the user's own, 4 where connections are shared.
    func dialsPerHost(_ route: RouteState) -> Int {
        dialsPerHost ?? (route.capacity.multiplexes ? 4 : .max)
    }
}
