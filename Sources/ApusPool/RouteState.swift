import ApusCore

/// What the pool knows of one route; forgotten when the route has neither connections nor waiters.
struct RouteState: Sendable {
    /// The route; `nil` in a slot that is not in use, which holds no credentials then.
    var route: Route?
    /// Idle connections, most recently used first; those without room stand at the end.
    var idle = IndexList()
    /// Connections that carry exchanges and have room for more.
    ///
    /// At most `http2.maxConnectionsPerHost`, give or take a suspect that recovered.
    var shared = IndexList()
    /// Callers who take any connection, oldest first.
    ///
    /// Invariant: those with a dial of their own stand before those without.
    var pooledWaiters = IndexList()
    /// Callers who want a dial of their own and have none yet, oldest first.
    var ownWaiters = IndexList()
    /// The oldest of `pooledWaiters` without a dial.
    var firstUndialled: Int?
    /// Waiters of both kinds without a dial.
    var undialled = 0
    /// Waiters of both kinds, with and without a dial.
    var waiters = 0
    /// Connections in every phase, dials included: what `maxConnectionsPerHost` bounds.
    var connections = 0
    /// Dials in flight.
    var dials = 0
    /// Those of them that may serve any waiter.
    var pooledDials = 0
    /// Open connections for many exchanges, neither draining nor suspect.
    var multiplexed = 0
    /// Those of them whose peer has not said yet how many exchanges it allows: for whoever waits,
    /// each is as good as a dial in flight.
    var unheard = 0
    /// Open connections, idle or not; draining ones are none.
    var open = 0
    /// How long the next dial waits after one that failed.
    var pause = DialPause()
    /// When a dial that several wait for gets a second one beside it.
    var hedge = DialHedge()
    /// What a connection is expected to carry.
    var capacity = RouteCapacity()
    /// How long its peer was seen to keep idle connections, less a margin; see `IdleMemory`.
    var learnedIdleLimit = ConnectionSlot.never

    init() {}

    init(_ route: Route) {
        self.route = route
        capacity = RouteCapacity(of: route)
    }

    /// Waiters for whom nothing is being done yet: the queue that `maxWaitersPerHost` bounds.
    ///
    /// A dial that has lost its waiter is as good as one of the queue's own.
    var queued: Int {
        let matched = pooledWaiters.count - (undialled - ownWaiters.count)
        return undialled - (pooledDials - matched)
    }

    /// Whether nothing is left to know: no connection, no waiter, and no pause to keep.
    var isEmpty: Bool { connections == 0 && waiters == 0 && pause.end == nil }

    /// Whether the dials in flight will not do for those who wait.
    func wantsDial(_ limits: PoolLimits, _ now: Int64) -> Bool {
        guard firstUndialled != nil else { return false }
        let shared = multiplexed + pooledDials
        if capacity.multiplexes, shared >= limits.multiplexedPerHost { return false }
        if let dueAt = hedgeDueAt(limits), dueAt <= now { return true }
        let coming = pooledDials + unheard
        // Each is thought to serve as many; a division, since that may be the largest number.
        return coming == 0
            || capacity.expected < (pooledWaiters.count + coming - 1) / coming
    }
}
