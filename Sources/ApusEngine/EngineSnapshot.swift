import ApusCore
import ApusPool

/// From what the pool knows to what users read, without secrets.
extension EngineSnapshot {
    /// - Parameters:
    ///   - facts: what is known of the open connections.
    ///   - replays: requests that were sent again.
    init(_ pool: PoolSnapshot, facts: [ConnectionID: ConnectionFacts], replays: Int) {
        self.init()
        connections = pool.counts.connections
        idle = pool.counts.idle
        leased = pool.counts.leased
        dialling = pool.counts.dialling
        waiting = pool.counts.waiting
        exchanges = pool.counts.exchanges
        counters = Counters(pool.counters, replays: replays)
        routes = pool.routes.map(RouteEntry.init).sorted { $0.route < $1.route }
        connectionCaps = pool.caps
            .map(ConnectionCap.init).sorted { $0.description < $1.description }
        connectionEntries = pool.connections
            .map { ConnectionEntry($0, facts[$0.id]) }
            .sorted { ($1.ageSeconds, $0.id) < ($0.ageSeconds, $1.id) }
    }
}

extension EngineSnapshot.Counters {
    fileprivate init(_ pool: PoolCounters, replays: Int) {
        self.init()
        dials = pool.dials
        dialFailures = pool.dialFailures
        abandonedDials = pool.abandonedDials
        connectionsOpened = pool.connectionsOpened
        for (reason, count) in pool.closes { closes[reason.rawValue] = count }
        leases = pool.leases
        reuses = pool.reuses
        self.replays = replays
        waits = pool.waits
        abandonedWaits = pool.abandonedWaits
        failedWaits = pool.failedWaits
        refusals = pool.refusals
    }
}

extension EngineSnapshot.RouteEntry {
    init(_ entry: PoolSnapshot.RouteEntry) {
        self.init(
            route: entry.route.description, leased: entry.leased, idle: entry.idle,
            dialling: entry.dialling, waiting: entry.waiting, waitingFor: entry.waitingFor,
            insecureSkipVerify: entry.route.skipsVerification)
        learnedIdleSeconds = entry.learnedIdle?.inSeconds
    }
}

extension EngineSnapshot.ConnectionCap {
    fileprivate init(_ entry: PoolSnapshot.CapEntry) {
        self.init(
            cause: entry.key.cause, name: entry.key.description, connections: entry.connections,
            limit: entry.limit, waiting: entry.waiting)
    }
}

extension EngineSnapshot.ConnectionEntry {
    fileprivate init(_ entry: PoolSnapshot.ConnectionEntry, _ facts: ConnectionFacts?) {
        self.init(
            id: entry.id.rawValue, route: entry.route.description, state: entry.state,
            streams: entry.exchanges, capacity: entry.capacity,
            ageSeconds: entry.age.inSeconds, idleSeconds: entry.idleFor?.inSeconds,
            protocolName: facts?.protocolName, remoteAddress: facts?.remoteAddress,
            insecureSkipVerify: entry.route.skipsVerification)
    }
}
