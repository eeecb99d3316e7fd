import ApusCore
import ApusPool

/// The pool machine under any order of events, beside a plain model that counts.
///
/// An input is two bytes of tuning and a list of steps of two bytes: an action and its target.
enum PoolTarget {
    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        var walk = PoolWalk(choices.byte(), choices.byte())
        var steps = 0
        while !choices.isAtEnd, steps < 1000 {
            walk.step(choices.byte(), choices.byte())
            steps += 1
        }
        walk.finish()
    }
}

/// One machine, with its inputs and outputs.
struct PoolWalk {
    private struct Connection {
        let route: Route
        var isDialling = true
        var isDraining = false
        var isSuspect = false
        /// Came up as one for many exchanges, whatever its capacity is now.
        var isShared = false
        var capacity = 0
        var exchanges = 0
        var hasCarried = false

        var hasRoom: Bool { !isDialling && !isDraining && !isSuspect && exchanges < capacity }
    }

    private static let routes: [Route] = ["http://a.test", "https://a.test", "https://b.test"].map {
        guard let url = try? RequestURL(parsing: $0) else { preconditionFailure("a bad route") }
        return Route(origin: url.origin)
    }

    private let tuning: EngineTuning.Pool
    private var pool: PoolMachine
    private var now = Deadline(nanoseconds: 0)
    private var connections: [ConnectionID: Connection] = [:]
    /// In order of their dials, so that a step's byte picks the same on each run.
    private var order: [ConnectionID] = []
    private var waiters: [(id: WaiterID, route: Route, reuse: Reuse)] = []
    private var seen: Set<ConnectionID> = []
    private let maxMultiplexed: Int
    /// Routes that had more shared connections than they may grow to: the machine retires some of
    /// those without a word.
    private var grown: Set<Route> = []

    init(_ first: UInt8, _ second: UInt8) {
        var tuning = EngineTuning.Pool()
        tuning.dialBackoff = nil
        tuning.maxIdle = first & 1 != 0 ? Int(first >> 1 & 3) : nil
        tuning.maxIdlePerHost = first & 8 != 0 ? Int(first >> 4 & 1) : nil
        tuning.maxConnectionsPerHost = first & 32 != 0 ? 1 + Int(first >> 6) : nil
        tuning.maxDialsPerHost = second & 1 != 0 ? 1 + Int(second >> 1 & 1) : nil
        tuning.maxWaitersPerHost = second & 4 != 0 ? 2 : 1024
        tuning.idleTimeout = second & 8 != 0 ? .seconds(5) : nil
        tuning.lifetime = second & 16 != 0 ? .seconds(20) : nil
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = second & 32 != 0 ? 1 : 8
        http2.preferredStreamsPerConnection = second & 64 != 0 ? 2 : nil
        self.tuning = tuning
        maxMultiplexed = http2.maxConnectionsPerHost
        pool = PoolMachine(tuning, http2: http2, seed: UInt64(second))
    }

    mutating func step(_ action: UInt8, _ target: UInt8) {
        switch action % 16 {
        case 0...4: lease(target)
        case 5, 6: establish(target)
        case 7: failDial(target)
        case 8, 9: release(target)
        case 10: close(target)
        case 11: drain(target)
        case 12: change(target)
        case 13: suspect(target)
        case 14: passTime(target)
        default: rare(target)
        }
        check()
    }

    /// Shuts down and lets everything come to its end: nothing may be left.
    mutating func finish() {
        apply(pool.shutDown(now: now))
        check()
        precondition(waiters.isEmpty, "a waiter outlives the pool")
        for id in order where connections[id] != nil {
            while let connection = connections[id], connection.exchanges > 0 { giveBack(id) }
        }
        check()
        precondition(connections.isEmpty && pool.counts == PoolCounts(), "something was left")
        let (result, actions) = pool.lease(Self.routes[0], reuse: .pooled, now: now)
        precondition(result == .refused(.shutDown) && actions.isEmpty)
    }

    // MARK: Steps

    private mutating func lease(_ target: UInt8) {
        let route = Self.routes[Int(target) % 3]
        let reuses: [Reuse] = [.pooled, .pooled, .fresh, .oneShot]
        let reuse = reuses[Int(target) / 3 % 4]
        let (result, actions) = pool.lease(route, reuse: reuse, now: now)
        switch result {
        case .leased(let id, let isReused):
            precondition(reuse == .pooled, "an own connection out of the pool")
            occupy(id, route, isReused)
        case .wait(let waiter): waiters.append((waiter, route, reuse))
        case .refused: break
        }
        apply(actions)
    }

    private mutating func establish(_ target: UInt8) {
        // Sometimes a dial that the pool gave up meanwhile.
        guard let id = pick(target, among: \.isDialling) else { return lateEstablish(target) }
        let capacity = [1, 1, 100, 2, 0][Int(target >> 4) % 5]
        connections[id]?.isDialling = false
        connections[id]?.capacity = capacity
        connections[id]?.isShared = capacity != 1
        noteGrowth(of: connections[id]?.route)
        apply(pool.connectionEstablished(id, capacity: capacity, now: now))
    }

    private mutating func noteGrowth(of route: Route?) {
        guard let route else { return }
        let shared = connections.values.count { $0.route == route && $0.isShared }
        if shared > maxMultiplexed { grown.insert(route) }
    }

    private mutating func lateEstablish(_ target: UInt8) {
        guard let id = order.first(where: { connections[$0] == nil }) else { return }
        let actions = pool.connectionEstablished(id, capacity: 1, now: now)
        precondition(
            actions.close.map(\.connection) == [id] && actions.dial.isEmpty
                && actions.grants.isEmpty, "a dial that came too late was kept")
    }

    private mutating func failDial(_ target: UInt8) {
        guard let id = pick(target, among: \.isDialling) else { return }
        connections[id] = nil
        apply(pool.dialFailed(id, now: now))
    }

    private mutating func release(_ target: UInt8) {
        guard let id = pick(target, among: { $0.exchanges > 0 }) else { return }
        giveBack(id)
    }

    private mutating func giveBack(_ id: ConnectionID) {
        connections[id]?.exchanges -= 1
        apply(pool.release(id, now: now))
    }

    private mutating func close(_ target: UInt8) {
        guard let id = pick(target, among: { !$0.isDialling }) else { return }
        connections[id] = nil
        apply(pool.connectionClosed(id, reason: .peerClosed, now: now))
        // A second word of the same end says nothing.
        precondition(pool.connectionClosed(id, reason: .peerClosed, now: now).isEmpty)
    }

    private mutating func drain(_ target: UInt8) {
        guard let id = pick(target, among: { !$0.isDialling }) else { return }
        connections[id]?.isDraining = true
        apply(pool.drain(id, reason: .goAway, now: now))
    }

    private mutating func change(_ target: UInt8) {
        guard let id = pick(target, among: \.isShared) else { return }
        let capacity = Int(target >> 5)
        connections[id]?.capacity = capacity
        apply(pool.capacityChanged(id, to: capacity, now: now))
    }

    private mutating func suspect(_ target: UInt8) {
        guard let id = pick(target, among: { !$0.isDialling }) else { return }
        let isSuspect = target & 0x80 != 0
        connections[id]?.isSuspect = isSuspect
        apply(
            isSuspect
                ? pool.connectionSuspected(id, now: now) : pool.connectionTrusted(id, now: now))
    }

    private mutating func congest(_ target: UInt8) {
        guard let id = pick(target, among: { !$0.isDialling }) else { return }
        apply(pool.congestionChanged(id, isCongested: target & 0x40 != 0, now: now))
    }

    private mutating func passTime(_ target: UInt8) {
        now = now.advanced(by: .milliseconds(Int(target) * 50))
        guard target & 1 == 0 else { return }
        apply(pool.deadlineReached(now: now))
        if let next = pool.nextDeadline { precondition(next > now, "a deadline that stays") }
    }

    private mutating func rare(_ target: UInt8) {
        switch target % 8 {
        case 0 where target > 200: apply(pool.shutDown(now: now))
        case 0, 1: apply(pool.closeIdle(.evicted, most: 1, now: now))
        case 2: apply(pool.prewarm(Self.routes[Int(target) / 8 % 3], connections: 3, now: now))
        case 3:
            let route = Self.routes[Int(target) / 8 % 3]
            for id in order where connections[id]?.route == route {
                if connections[id]?.isDialling == false { connections[id]?.isDraining = true }
            }
            apply(pool.drainAll(of: [route], reason: .evicted, now: now))
        case 4:
            if let id = pick(target, among: { !$0.isDialling }) {
                pool.idleTimeHinted(id, .milliseconds(Int(target) * 10))
            }
        case 5: congest(target)
        default: cancel(target)
        }
    }

    private mutating func cancel(_ target: UInt8) {
        guard !waiters.isEmpty else { return }
        let waiter = waiters.remove(at: Int(target) % waiters.count)
        guard let actions = pool.cancelWaiter(waiter.id, now: now) else {
            preconditionFailure("a waiter that the pool forgot")
        }
        apply(actions)
        precondition(
            pool.cancelWaiter(waiter.id, now: now) == nil, "a waiter that was cancelled twice")
    }

    // MARK: Answers

    private mutating func apply(_ actions: PoolActions) {
        for grant in actions.grants {
            guard let index = waiters.firstIndex(where: { $0.id == grant.waiter }) else {
                preconditionFailure("served a caller that does not wait")
            }
            let waiter = waiters.remove(at: index)
            if waiter.reuse != .pooled {
                precondition(!grant.isReused, "an own connection that was used")
            } else {
                let isOvertaken = waiters[..<index].contains {
                    $0.route == waiter.route && $0.reuse == .pooled
                }
                precondition(!isOvertaken, "served out of order")
            }
            occupy(grant.connection, waiter.route, grant.isReused)
            if waiter.reuse == .oneShot { connections[grant.connection]?.isDraining = true }
        }
        for failed in actions.failedWaiters {
            let count = waiters.count
            waiters.removeAll { $0.id == failed.waiter }
            precondition(waiters.count == count - 1, "failed a caller that does not wait")
        }
        for close in actions.close {
            guard let connection = connections.removeValue(forKey: close.connection) else {
                preconditionFailure("closed a stranger")
            }
            precondition(connection.exchanges == 0, "closed under an exchange")
        }
        for dial in actions.dial {
            precondition(seen.insert(dial.connection).inserted, "a name given twice")
            connections[dial.connection] = Connection(route: dial.route)
            order.append(dial.connection)
        }
    }

    /// No double lease: a connection that is leased has room, is open, and is of the route.
    private mutating func occupy(_ id: ConnectionID, _ route: Route, _ isReused: Bool) {
        guard let connection = connections[id] else { preconditionFailure("leased a stranger") }
        precondition(connection.route == route, "another route's connection")
        precondition(connection.hasRoom, "leased without room")
        precondition(connection.hasCarried == isReused, "reported wrongly whether it is reused")
        connections[id]?.exchanges += 1
        connections[id]?.hasCarried = true
    }

    private func pick(_ target: UInt8, among isFit: (Connection) -> Bool) -> ConnectionID? {
        let fit = order.filter { connections[$0].map(isFit) ?? false }
        return fit.isEmpty ? nil : fit[Int(target) % fit.count]
    }

    private func check() {
        let (counts, counters) = (pool.counts, pool.counters)
        precondition(counts.connections == connections.count, "connections do not add up")
        precondition(counts.dialling == connections.values.count(where: \.isDialling))
        precondition(counts.exchanges == connections.values.reduce(0) { $0 + $1.exchanges })
        precondition(counts.waiting == waiters.count, "waiters do not add up")
        precondition(counts.idle <= tuning.maxIdle ?? .max, "too many idle")
        precondition(
            counters.leases == counters.releases + counters.losses + counts.exchanges)
        precondition(
            counters.waits == counters.grants + counters.abandonedWaits
                + counters.failedWaits + counts.waiting)
        for route in Self.routes {
            let all = connections.values.count { $0.route == route }
            let idle = connections.values.count {
                $0.route == route && !$0.isDialling && $0.exchanges == 0
            }
            precondition(all <= tuning.maxConnectionsPerHost ?? .max, "too many connections")
            precondition(idle <= tuning.maxIdlePerHost ?? .max, "too many idle for a host")
            let couldServe = connections.values.contains { $0.route == route && $0.hasRoom }
            let waits = waiters.contains { $0.route == route && $0.reuse == .pooled }
            // A connection past its lifetime has no room that the model knows of.
            guard tuning.lifetime == nil, tuning.maxConnectionsPerHost == nil,
                !grown.contains(route)
            else { continue }
            precondition(!couldServe || !waits, "waits beside a connection with room")
        }
    }
}
