import ApusCore
import ApusPool

/// Pauses after failed dials, and the order in which callers are served.
extension PoolModel {
    /// The pause that failed dials of a route lead to, without the machine's random part.
    struct Pause {
        var failedAt: Deadline
        /// No dial starts before this.
        var earliestEnd: Deadline
        /// At a later instant the machine dials again.
        var latestEnd: Deadline
        var isOver = false
    }

    /// A dial has failed; those that ran beside one that failed before it are no failure more.
    mutating func dialHasFailed(_ connection: Connection) {
        guard let first = tuning.dialBackoff else { return }
        if let pause = pauses[connection.route], connection.began <= pause.failedAt { return }
        // Another one has reached the peer meanwhile.
        if let success = successes[connection.route], connection.began < success { return }
        pauses[connection.route] = Pause(
            failedAt: now, earliestEnd: now.advanced(by: first / 2),
            latestEnd: now.advanced(by: tuning.maxDialBackoff))
    }

    /// A dial failed, and callers with it: several only if nothing was left that could serve them,
    /// and all then who would not wait for the pause to end.
    mutating func check(failed waiting: Set<WaiterID>, with connection: Connection) {
        let route = connection.route
        let failedRoutes = waiters.filter { waiting.contains($0.id) }.map(\.route)
        require(failedRoutes.allSatisfy { $0 == route }, "failed another route's caller")
        let isHopeless = !connections.contains { $0.route == route && !$0.isClosing }
        let isAlive = connections.contains {
            $0.route == route && ($0.isDialling || !$0.isClosing && !mayBeRetired($0))
        }
        require(waiting.count <= 1 || !isAlive, "failed several beside what could serve them")
        guard isHopeless, pauses[route]?.failedAt == now else { return }
        let isLeft = waiters.contains {
            $0.route == route && !$0.isPatient && !waiting.contains($0.id)
        }
        require(!isLeft, "let a caller wait for nothing but a pause")
    }

    /// A caller was turned away because a dial has just failed.
    mutating func checkTurnedAway(_ route: Int, isPatient: Bool) {
        let isAlive = connections.contains {
            $0.route == route && ($0.isDialling || !$0.isClosing && !mayBeRetired($0))
        }
        require(!isPatient, "turned a patient caller away")
        require(!isAlive && isPausing(route), "turned a caller away for nothing")
    }

    /// The time has passed: no callers share one dial for longer than the delay.
    mutating func checkHedges() {
        guard let delay = tuning.hedgeDelay else { return }
        for route in multiplexes.indices where multiplexes[route] && !isPausing(route) {
            let all = connections.filter { $0.route == route }
            let dials = all.count(where: \.isDialling)
            let mayDial =
                dials < tuning.maxDialsPerHost ?? 4
                && all.count < tuning.maxConnectionsPerHost ?? .max
                && multiplexed(route) + dials < http2.maxConnectionsPerHost
            let sharers = waiters.count { $0.route == route && $0.reuse == .pooled }
            // The one dial may be meant for a caller who wants its own.
            let isShared = !waiters.contains { $0.route == route && $0.reuse != .pooled }
            guard mayDial, isShared, dials == 1, sharers > 1, !all.contains(where: mayBeRetired),
                let began = lastDials[route], now.since(began) >= delay
            else { continue }
            require(false, "let callers share a dial that hangs")
        }
    }

    /// The time has passed.
    mutating func endPauses() {
        for route in pauses.indices {
            guard let pause = pauses[route], pause.latestEnd <= now else { continue }
            pauses[route]?.isOver = true
        }
    }

    /// Whether the route's next dial may have to wait.
    func isPausing(_ route: Int) -> Bool { pauses[route].map { !$0.isOver } ?? false }

    /// A caller who wants a connection of its own, and is kept waiting by the limit of connections.
    struct Claim {
        let waiter: Waiter
        let route: Int
    }

    /// The first such caller of each route that nothing else keeps waiting.
    func claims(_ pool: borrowing PoolMachine) -> [Claim] {
        multiplexes.indices.compactMap { route in
            guard let first = firstClaim(route, pool) else { return nil }
            return Claim(waiter: first, route: route)
        }
    }

    private func firstClaim(_ route: Int, _ pool: borrowing PoolMachine) -> Waiter? {
        for waiter in waiters where waiter.route == route && waiter.reuse != .pooled {
            guard pool.waitCause(of: waiter.id) == .connectionsPerHost else { continue }
            let dials = connections.count { $0.route == route && $0.isDialling }
            let mostDials = tuning.maxDialsPerHost ?? (multiplexes[route] ? 4 : .max)
            return dials < mostDials && !isPausing(route) ? waiter : nil
        }
        return nil
    }

    /// No later caller got an empty connection in this step that was claimed before it, unless the
    /// claim was met as well.
    mutating func checkOrder(_ claims: [Claim], _ pool: borrowing PoolMachine) {
        for claim in claims {
            let isOvertaken = served.contains {
                $0.route == claim.route && $0.arrival > claim.waiter.arrival
            }
            guard isOvertaken else { continue }
            require(
                firstClaim(claim.route, pool)?.id != claim.waiter.id,
                "overtook a caller who wants its own")
        }
        served = []
        if waiters.contains(where: { $0.reuse != .pooled }) { checkOwnDials(pool) }
    }

    /// Dials for those who want their own start in the order in which they came.
    private mutating func checkOwnDials(_ pool: borrowing PoolMachine) {
        var isBehind = multiplexes.map { _ in false }
        for waiter in waiters where waiter.reuse != .pooled {
            if pool.waitCause(of: waiter.id) == .dial {
                require(!isBehind[waiter.route], "dialled for a later caller who wants its own")
            } else {
                isBehind[waiter.route] = true
            }
        }
    }
}
