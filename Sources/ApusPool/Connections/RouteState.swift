import ApusCore

/// What the pool knows of one route; forgotten when the route has neither connections nor waiters.
struct RouteState: Sendable {
    /// The route; `nil` in a slot that is not in use, which holds no credentials then.
    var route: Route?
    /// Idle connections, most recently used first; those without room are at the end.
    var idle = IndexList()
    /// Connections that carry exchanges and have room for more.
    ///
    /// At most `http2.maxConnectionsPerHost`, and a suspect that recovered.
    var shared = IndexList()
    /// Callers who wait, in order of arrival.
    var queue = WaiterQueue()
    /// Connections in every state, dials included: what `maxConnectionsPerHost` bounds.
    var connections = 0
    /// Dials in flight.
    var dials = 0
    /// Those of them that may serve any waiter.
    var sharedDials = 0
    /// Open connections for many exchanges, neither draining nor suspect.
    var multiplexed = 0
    /// Those of them that are congested.
    var congested = 0
    /// Those of the multiplexed ones whose peer has not reported yet how many exchanges it allows:
    /// waiters count on each as on a dial in flight.
    var unreported = 0
    /// Open connections, idle or not; draining ones are not counted.
    var open = 0
    /// How long the next dial waits after one that failed.
    var pause = DialPause()
    /// When a dial that several wait for gets a second one beside it.
    var hedge = DialHedge()
    /// What a connection is expected to carry.
    var capacity = RouteCapacity()
    /// How long its peer was observed to keep idle connections, less a margin; see `IdleMemory`.
    var learnedIdleLimit = Int64.never

    init() {}

    init(_ route: Route) {
        self.route = route
        capacity = RouteCapacity(of: route)
    }

    /// Waiters that no dial in flight will serve: the queue that `maxWaitersPerHost` bounds.
    ///
    /// A shared dial that has lost its waiter will serve one of them.
    var queued: Int { queue.undialled - (sharedDials - queue.pooledWithDial) }

    /// Whether nothing is left to know: no connection, no waiter, and no pause to keep.
    var isEmpty: Bool { connections == 0 && queue.count == 0 && pause.end == nil }

    /// Whether a further connection would help the exchanges to send.
    var isCongested: Bool { congested > 0 && congested == multiplexed }

    /// Whether the waiters need more dials than those in flight.
    func wantsDial(_ limits: PoolLimits, _ now: Int64) -> Bool {
        guard queue.firstUndialled != nil else { return false }
        let shared = multiplexed + sharedDials
        if capacity.multiplexes, shared >= limits.multiplexedPerHost { return false }
        if let dueAt = hedgeDueAt(limits), dueAt <= now { return true }
        let coming = sharedDials + unreported
        // Each is expected to serve as many; a division, since that may be the largest number.
        return coming == 0
            || capacity.expected < (queue.pooled.count + coming - 1) / coming
    }

    /// The oldest waiter that may have a dial now.
    ///
    /// At the limit of connections, only a caller who wants one of its own has an idle one closed:
    /// any other would have taken it, if it had room.
    func nextToDial(_ waiters: WaiterTable, _ limits: PoolLimits, _ now: Int64) -> Int? {
        guard queue.undialled > 0, dials < limits.dialsPerHost(self) else { return nil }
        let isBelowLimit = connections < limits.connectionsPerHost
        let pooled = isBelowLimit && wantsDial(limits, now) ? queue.firstUndialled : nil
        let own = isBelowLimit || !idle.isEmpty ? queue.own.head : nil
        guard let pooled, let own else { return pooled ?? own }
        return waiters[pooled].arrival < waiters[own].arrival ? pooled : own
    }
}
