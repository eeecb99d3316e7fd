package import ApusCore

/// What the pool holds at this moment.
package struct PoolCounts: Sendable, Hashable {
    /// Connections in every state, dials in flight included.
    package var connections = 0
    /// Open connections that carry nothing.
    package var idle = 0
    /// Open connections that carry at least one exchange, draining ones included.
    package var leased = 0
    /// Dials in flight.
    package var dialling = 0
    /// Exchanges in flight.
    package var exchanges = 0
    /// Callers who wait.
    package var waiting = 0

    package init() {}
}

/// What the pool has done since it was made, by cause.
///
/// At any time `leases == releases + losses + counts.exchanges`,
/// `waits == grants + abandonedWaits + failedWaits + counts.waiting`, and
/// `dials == connectionsOpened + dialFailures + abandonedDials + counts.dialling`.
package struct PoolCounters: Sendable, Hashable {
    /// Exchanges that got a connection, at once or after waiting.
    package var leases = 0
    /// Those of them whose connection had carried an exchange before.
    package var reuses = 0
    /// Exchanges that gave their connection back.
    package var releases = 0
    /// Exchanges that ended with their connection.
    package var losses = 0
    /// Callers who had to wait.
    package var waits = 0
    /// Those of them who got a connection.
    package var grants = 0
    /// Those of them that were cancelled.
    package var abandonedWaits = 0
    /// Those of them that failed with a dial, or because the pool was shut down.
    package var failedWaits = 0
    /// Leases refused for a full queue, a dial that had just failed, or a pool that was shut down.
    package var refusals = 0
    /// Dials started.
    package var dials = 0
    package var dialFailures = 0
    /// Dials that were given up, as no waiter wanted them any more.
    package var abandonedDials = 0
    /// Dials that became connections.
    package var connectionsOpened = 0
    /// Connections that ended, by cause; dials are not among them.
    package var closes: [CloseReason: Int] = [:]
}
