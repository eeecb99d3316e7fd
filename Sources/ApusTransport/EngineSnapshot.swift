import ApusPool

/// What an engine holds and has done, as plain numbers and sentences.
package struct EngineSnapshot: Sendable {
    package let connections: Int
    package let idle: Int
    package let leased: Int
    package let dialling: Int
    package let waiting: Int
    package let exchanges: Int
    package let connectionsOpened: Int
    package let dialFailures: Int
    package let reuses: Int
    /// One line per route.
    package let routes: [String]

    init(_ snapshot: PoolSnapshot) {
        connections = snapshot.counts.connections
        idle = snapshot.counts.idle
        leased = snapshot.counts.leased
        dialling = snapshot.counts.dialling
        waiting = snapshot.counts.waiting
        exchanges = snapshot.counts.exchanges
        connectionsOpened = snapshot.counters.established
        dialFailures = snapshot.counters.dialFailures
        reuses = snapshot.counters.reuses
        routes = snapshot.routes.map(\.description)
    }
}
