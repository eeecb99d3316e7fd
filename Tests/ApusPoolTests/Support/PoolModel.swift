import ApusCore
import ApusPool

/// The pool as one list that is searched from end to end: slow and plain.
///
/// It receives each step with the machine's result, and records what breaks a rule.
struct PoolModel {
    struct Connection {
        let id: ConnectionID
        let route: Int
        var isDialling = true
        /// Takes no more: drained, one-shot, or more than its route may keep.
        var isClosing = false
        /// May be closing: the machine knows better which of its elders were retired for their age.
        var isUnsure = false
        var isSuspect = false
        var isMultiplexed = false
        /// Its peer has not said what it allows.
        var isUnheard = false
        var capacity = 0
        /// When its dial was started.
        var began = Deadline(nanoseconds: 0)
        var exchanges = 0
        var carried = 0
        var hasCarried: Bool { carried > 0 }
        var established = Deadline(nanoseconds: 0)
        var idleSince = Deadline(nanoseconds: 0)
        var idleLimit: Duration?
        /// The order in which connections became idle, over all routes and within one.
        var idleOrder = 0
        var routeOrder = 0
        /// The order in which connections were established, over all routes.
        var establishedOrder = 0

        var hasRoom: Bool { !isDialling && !isClosing && !isSuspect && exchanges < capacity }
        var isIdle: Bool { !isDialling && !isClosing && exchanges == 0 }
        var isUsable: Bool { !isDialling && !isClosing && !isSuspect && isMultiplexed }
    }

    struct Waiter {
        let id: WaiterID
        let route: Int
        let reuse: Reuse
        /// Whether it waits for the pause after a failed dial to end.
        var isPatient = true
        /// Who came first.
        let arrival: Int
    }

    let tuning: EngineTuning.Pool
    let http2: EngineTuning.HTTP2
    var now = Deadline(nanoseconds: 0)
    var connections: [Connection] = []
    /// In order of arrival.
    var waiters: [Waiter] = []
    /// What each route's last connection turned out to be.
    var multiplexes: [Bool]
    var seen: Set<ConnectionID> = []
    var order = 0
    /// The last failures of each route's dials.
    var pauses: [Pause?]
    /// When a dial of each route last began.
    var lastDials: [Deadline?]
    /// When a dial of each route last succeeded.
    var successes: [Deadline?]
    /// Those who got an empty connection in this step, and when they came.
    var served: [(route: Int, arrival: Int)] = []
    var violation: String?

    init(_ tuning: EngineTuning.Pool, _ http2: EngineTuning.HTTP2, multiplexes: [Bool]) {
        self.tuning = tuning
        self.http2 = http2
        self.multiplexes = multiplexes
        pauses = Array(repeating: nil, count: multiplexes.count)
        lastDials = Array(repeating: nil, count: multiplexes.count)
        successes = Array(repeating: nil, count: multiplexes.count)
    }

    mutating func require(_ holds: Bool, _ rule: @autoclosure () -> String) {
        if !holds, violation == nil { violation = rule() }
    }

    func index(of id: ConnectionID) -> Int? { connections.firstIndex { $0.id == id } }

    /// Whether the connection may have been retired for its age without a word.
    func mayBeRetired(_ connection: Connection) -> Bool {
        if connection.isUnsure { return true }
        guard let lifetime = tuning.lifetime else { return false }
        return now.since(connection.established) >= lifetime * 9 / 10
    }

    func multiplexed(_ route: Int) -> Int {
        connections.count { $0.route == route && $0.isUsable }
    }

    /// An exchange is over, or a connection was established: it is idle from now on.
    mutating func becomesIdle(_ index: Int) {
        order += 1
        connections[index].idleSince = now
        connections[index].idleOrder = order
        connections[index].routeOrder = order
    }

    /// A connection that was blocked has room again: it is the first to be used.
    mutating func roomChanges(_ index: Int, _ change: (inout Connection) -> Void) {
        let before = connections[index].hasRoom
        change(&connections[index])
        guard !before, connections[index].hasRoom else { return }
        order += 1
        connections[index].routeOrder = order
    }
}

// MARK: - What the machine answered

extension PoolModel {
    mutating func leased(_ id: ConnectionID, isReused: Bool, route: Int) {
        guard let index = index(of: id) else { return require(false, "leased a stranger") }
        let chosen = connections[index]
        require(chosen.route == route, "leased another route's connection")
        require(chosen.hasRoom, "leased a connection without room")
        require(isReused == chosen.hasCarried, "reported wrongly whether the connection is reused")
        let isShared =
            multiplexed(route) > 0
            || connections.contains { $0.route == route && $0.hasRoom && $0.exchanges > 0 }
        if isShared { requireSpread(chosen) } else { requireLastUsed(chosen) }
        require(
            !waiters.contains { $0.route == route && $0.reuse == .pooled }, "overtook a waiter")
        if chosen.exchanges == 0 { served.append((route, .max)) }
        occupy(index)
    }

    /// The idle one used last, else the one with room that carries least.
    private mutating func requireLastUsed(_ chosen: Connection) {
        for other in connections where other.route == chosen.route && other.hasRoom {
            guard !mayBeRetired(other) else { continue }
            if chosen.exchanges > 0 {
                require(other.exchanges >= chosen.exchanges, "leased not the least loaded")
            } else if other.exchanges == 0 {
                require(other.routeOrder <= chosen.routeOrder, "leased not the last used")
            }
        }
    }

    /// Of the oldest connections that could carry twice the load, the one that carries least.
    private mutating func requireSpread(_ chosen: Connection) {
        let candidates = connections.filter { $0.route == chosen.route && $0.hasRoom }
            .sorted { $0.establishedOrder < $1.establishedOrder }
        guard !connections.contains(where: { $0.route == chosen.route && mayBeRetired($0) }) else {
            return
        }
        let carried = candidates.reduce(0) { $0 + $1.exchanges }
        var enough: [Connection] = []
        for candidate in candidates where enough.reduce(0, { $0 + $1.capacity }) < 2 * carried + 2 {
            enough.append(candidate)
        }
        require(enough.contains { $0.id == chosen.id }, "leased one that is to become idle")
        let least = enough.map(\.exchanges).min()
        require(chosen.exchanges == least, "leased not the least loaded of those that are enough")
    }

    mutating func apply(_ actions: PoolActions, established: ConnectionID? = nil) {
        // Grants first: a connection that is closed after them had its exchange before.
        for grant in actions.grants { apply(grant) }
        for failure in actions.failedWaiters {
            let count = waiters.count
            waiters.removeAll { $0.id == failure.waiter }
            require(waiters.count == count - 1, "failed a waiter that does not wait")
        }
        for close in actions.close { apply(close, established: established) }
        for dial in actions.dial {
            require(seen.insert(dial.connection).inserted, "gave a name twice")
            require(dial.route.origin.host.hasPrefix("route"), "dialled a stranger")
            let route = Int(dial.route.origin.host.dropFirst(5)) ?? 0
            connections.append(Connection(id: dial.connection, route: route, began: now))
            lastDials[route] = now
            if let pause = pauses[route] {
                require(now >= pause.earliestEnd, "dialled in the pause after a failure")
            }
        }
    }

    private mutating func occupy(_ index: Int) {
        connections[index].exchanges += 1
        connections[index].carried += 1
        if let most = tuning.maxRequestsPerConnection {
            require(connections[index].carried <= most, "gave a connection too many requests")
            // It has taken its last; the machine closes it after what it carries.
            if connections[index].carried == most { connections[index].isClosing = true }
        }
    }

    private mutating func apply(_ grant: PoolActions.Grant) {
        guard let position = waiters.firstIndex(where: { $0.id == grant.waiter }),
            let index = index(of: grant.connection)
        else { return require(false, "granted to or with a stranger") }
        let waiter = waiters.remove(at: position)
        let connection = connections[index]
        require(connection.route == waiter.route, "granted another route's connection")
        require(connection.hasRoom, "granted a connection without room")
        require(grant.isReused == connection.hasCarried, "reported wrongly whether it is reused")
        occupy(index)
        if waiter.reuse == .pooled {
            if connection.exchanges == 0 { served.append((waiter.route, waiter.arrival)) }
            let overtaken = waiters[..<position].contains {
                $0.route == waiter.route && $0.reuse == .pooled
            }
            require(!overtaken, "served waiters out of order")
        } else {
            require(connection.carried == 0, "served a caller who wants its own with a used one")
            let isSurplus = multiplexed(waiter.route) > http2.maxConnectionsPerHost
            let isSure = !connections.contains { mayBeRetired($0) && $0.route == waiter.route }
            let wasClosing = connections[index].isClosing
            connections[index].isClosing =
                wasClosing || waiter.reuse == .oneShot || isSurplus && isSure
            connections[index].isUnsure = isSurplus && !isSure
        }
    }

    private mutating func apply(_ close: PoolActions.Close, established: ConnectionID?) {
        guard let index = index(of: close.connection) else {
            return require(false, "closed a stranger")
        }
        let closed = connections.remove(at: index)
        require(closed.exchanges == 0, "closed a connection in use")
        if close.reason == .idleTimeout {
            // What a peer has taught is three quarters of a second or more.
            let least = min(closed.idleLimit ?? .seconds(3600), .milliseconds(750))
            require(now.since(closed.idleSince) >= least, "closed for its idle time too early")
        }
        guard close.reason == .evicted, close.connection != established, closed.hasRoom,
            !closed.isUnsure
        else {
            return
        }
        let isOldest = !connections.contains {
            $0.route == closed.route && $0.isIdle && $0.hasRoom
                && $0.routeOrder < closed.routeOrder
        }
        let isOldestOfAll = !connections.contains { $0.isIdle && $0.idleOrder < closed.idleOrder }
        require(isOldest || isOldestOfAll, "evicted not the least recently used")
    }
}

// MARK: - What must hold after every step

extension PoolModel {
    mutating func check(_ pool: borrowing PoolMachine) {
        let counts = pool.counts
        let counters = pool.counters
        let idle = connections.count(where: \.isIdle)
        require(counts.idle == idle, "counts \(counts.idle) idle, there are \(idle)")
        require(counts.connections == connections.count, "counts connections wrongly")
        require(counts.dialling == connections.count(where: \.isDialling), "counts dials wrongly")
        require(counts.waiting == waiters.count, "counts waiters wrongly")
        require(
            counts.exchanges == connections.reduce(0) { $0 + $1.exchanges },
            "counts exchanges wrongly")
        require(idle <= tuning.maxIdle ?? .max, "keeps too many idle in all")
        require(
            counters.leases == counters.releases + counters.losses + counts.exchanges,
            "leases do not add up")
        require(
            counters.waits == counters.grants + counters.abandonedWaits
                + counters.failedWaits + counts.waiting, "waits do not add up")
        require(
            counters.dials
                == counters.connectionsOpened + counters.dialFailures + counters.abandonedDials
                + counts.dialling, "dials do not add up")
        require(
            counters.connectionsOpened
                == counters.closes.values.reduce(0, +) + counts.connections - counts.dialling,
            "closes do not add up")
        for route in multiplexes.indices { check(route) }
    }

    /// Limits, and that no caller waits for what is free.
    private mutating func check(_ route: Int) {
        var all = 0
        var dials = 0
        var idle = 0
        var usable = 0
        var isUncertain = false
        var awaited = 0
        for connection in connections where connection.route == route {
            all += 1
            if connection.isDialling { dials += 1 }
            if connection.isIdle { idle += 1 }
            if connection.isUsable { usable += 1 }
            if connection.isUsable, connection.isUnheard { awaited += 1 }
            isUncertain = isUncertain || mayBeRetired(connection)
        }
        let mostConnections = tuning.maxConnectionsPerHost ?? .max
        let mostDials = tuning.maxDialsPerHost ?? (multiplexes[route] ? 4 : .max)
        require(all <= mostConnections, "has too many connections to a host")
        require(idle <= tuning.maxIdlePerHost ?? .max, "keeps too many idle for a host")
        if let most = tuning.maxDialsPerHost { require(dials <= most, "dials too much at once") }
        let waiting = waiters.count { $0.route == route }
        guard waiting > 0, !isUncertain else { return }
        let pooled = waiters.count { $0.route == route && $0.reuse == .pooled }
        let canTake = connections.contains { $0.route == route && $0.hasRoom }
        require(pooled == 0 || !canTake, "lets a caller wait beside a connection with room")
        // The bound is for those who come. A dial that fails when its waiter has been served leaves
        // one more in the queue, until the pause is over.
        let besideQueue = isPausing(route) ? mostConnections : dials + idle
        require(
            waiting - tuning.maxWaitersPerHost <= besideQueue || multiplexes[route],
            "queues more than its bound")
        guard dials < mostDials, !isPausing(route) else { return }
        // Who wants a connection of its own needs a dial of its own.
        let blocked = connections.count { $0.route == route && $0.isIdle && !$0.hasRoom }
        if waiting - pooled > dials + blocked {
            require(all >= mostConnections && idle == 0, "forgot a caller who wants its own")
        }
        guard all < mostConnections, pooled > 0 else { return }
        if multiplexes[route] {
            let isGrown = usable + dials >= http2.maxConnectionsPerHost
            require(dials > 0 || awaited > 0 || isGrown, "forgot a waiter of a multiplexed route")
        } else {
            require(waiting <= dials + blocked + awaited, "forgot a waiter")
        }
    }

    /// After the deadlines were dealt with, nothing idle is past its time.
    mutating func checkExpired() {
        for connection in connections where connection.isIdle {
            guard let limit = connection.idleLimit else { continue }
            require(now.since(connection.idleSince) < limit, "kept an idle connection too long")
            if let lifetime = tuning.lifetime {
                require(now.since(connection.established) < lifetime, "kept one beyond its life")
            }
        }
    }
}
