import ApusCore

/// The tuning's numbers as the machine compares with them; "off" is the largest number.
struct PoolLimits: Sendable {
    let idle: Int
    let idlePerHost: Int
    let connectionsPerHost: Int
    let waitersPerHost: Int
    let multiplexedPerHost: Int
    let requestsPerConnection: Int
    let learnsIdleTime: Bool
    /// In nanoseconds, as `ConnectionSlot` counts.
    let idleTimeout: Int64
    let lifetime: Int64
    /// The first pause after a failed dial; `nil` is off.
    let backoff: Int64?
    let maxBackoff: Int64
    /// What a dial that nobody waits for has left; 0 is nothing.
    let dialGrace: Int64
    private let dialsPerHost: Int?

    init(_ tuning: EngineTuning.Pool, http2: EngineTuning.HTTP2) {
        idle = tuning.maxIdle ?? .max
        idlePerHost = tuning.maxIdlePerHost ?? .max
        connectionsPerHost = tuning.maxConnectionsPerHost ?? .max
        waitersPerHost = tuning.maxWaitersPerHost
        multiplexedPerHost = http2.maxConnectionsPerHost
        requestsPerConnection = tuning.maxRequestsPerConnection ?? .max
        learnsIdleTime = tuning.learnsIdleTime
        idleTimeout = tuning.idleTimeout?.nanoseconds ?? ConnectionSlot.never
        lifetime = tuning.lifetime?.nanoseconds ?? ConnectionSlot.never
        backoff = tuning.dialBackoff?.nanoseconds
        maxBackoff = tuning.maxDialBackoff.nanoseconds
        dialGrace = tuning.dialGrace?.nanoseconds ?? 0
        dialsPerHost = tuning.maxDialsPerHost
    }

    /// Dials at once; without a number of the user's own, 4 where connections are shared.
    func dialsPerHost(_ route: RouteState) -> Int {
        dialsPerHost ?? (route.capacity.multiplexes ? 4 : .max)
    }
}
