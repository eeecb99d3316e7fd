package import ApusCore

/// The ledger of the caps over routes: how many connections count under each, and which routes wait
/// for a place under it.
///
/// A route counts under each of its caps (`CapLimits.entries`), and waits under one of them: one
/// that is full and has no idle connection to close. The routes under a cap are ordered by the
/// arrival of the caller that each would dial for next. The ledger knows neither connections nor
/// callers, and chooses none: that is the part of `PoolMachine+Caps.swift`. When no cap is set it
/// stays empty.
package struct ConnectionCaps: Sendable {
    /// A route that waits for a place.
    package struct Head: Sendable, Hashable {
        package let cap: Int
        package let route: Int
        package let arrival: UInt64
    }

    private struct Cap: Sendable {
        /// `nil` while the place in the table is free.
        var key: CapKey?
        var limit = 0
        /// Connections in every state, dials included.
        var connections = 0
        /// How many known routes count under it.
        var routes = 0
        /// Those of them that have connections; at most `limit`.
        var occupants: Set<Int> = []
        /// A heap of routes that wait, by arrival.
        var queue: [Int] = []
        /// Whether a place may have become free since its queue was last looked at.
        var isPending = false
    }

    private struct Member: Sendable {
        /// The caps that the route counts under, the narrowest first.
        var caps: [Int] = []
        var connections = 0
        /// The cap that the route waits under.
        var waitsUnder: Int?
        /// Its place in that cap's heap.
        var position = 0
        /// The arrival of its oldest caller without a dial.
        var arrival: UInt64 = 0
    }

    private let limits: CapLimits
    /// Whether no cap is set.
    package let areOff: Bool
    private var caps: [Cap] = []
    private var vacant: [Int] = []
    private var indices: [CapKey: Int] = [:]
    /// By the machine's index of the route.
    private var members: [Member] = []
    /// The caps whose queues are to be looked at.
    private var pending: [Int] = []
    /// How many routes wait under any cap.
    package private(set) var waitingRoutes = 0
    private(set) var meter = WorkMeter()

    package init(_ limits: CapLimits) {
        self.limits = limits
        areOff = limits.areOff
    }

    // MARK: Routes

    /// A route is known from now on.
    package mutating func join(_ index: Int, _ route: Route) {
        guard !areOff else { return }
        while members.count <= index { members.append(Member()) }
        let own = limits.entries(of: route).map { entry in
            let cap = indices[entry.key] ?? vacant.popLast() ?? caps.count
            if cap == caps.count { caps.append(Cap()) }
            indices[entry.key] = cap
            caps[cap].key = entry.key
            caps[cap].limit = entry.limit
            caps[cap].routes += 1
            return cap
        }
        members[index].caps = own
    }

    /// A route without connections and callers is forgotten, and each cap of its alone.
    package mutating func leave(_ index: Int) {
        guard !areOff else { return }
        withdraw(index)
        for cap in members[index].caps {
            caps[cap].routes -= 1
            guard caps[cap].routes == 0, let key = caps[cap].key else { continue }
            indices[key] = nil
            caps[cap].key = nil
            vacant.append(cap)
        }
        members[index].caps = []
    }

    /// Whether any cap counts the route.
    package func cover(_ index: Int) -> Bool { !areOff && !members[index].caps.isEmpty }

    /// The caps that the route counts under, the narrowest first.
    package func of(_ index: Int) -> [Int] { members[index].caps }

    // MARK: Connections

    /// A dial of the route begins.
    package mutating func take(_ index: Int) {
        guard !areOff else { return }
        members[index].connections += 1
        for cap in members[index].caps {
            precondition(caps[cap].connections < caps[cap].limit, "more connections than the cap")
            caps[cap].connections += 1
            if members[index].connections == 1 { caps[cap].occupants.insert(index) }
        }
    }

    /// A connection or dial of the route is over.
    package mutating func give(_ index: Int) {
        guard !areOff else { return }
        members[index].connections -= 1
        for cap in members[index].caps {
            caps[cap].connections -= 1
            if members[index].connections == 0 { caps[cap].occupants.remove(index) }
        }
    }

    /// Whether no further connection may count under the cap.
    package func isFull(_ cap: Int) -> Bool { caps[cap].connections >= caps[cap].limit }

    /// Whether each cap of the route has a free place.
    package func hasRoom(_ index: Int) -> Bool {
        areOff || !members[index].caps.contains(where: isFull)
    }

    /// The routes that have connections under a cap; no more than the cap's limit.
    package func occupants(of cap: Int) -> Set<Int> { caps[cap].occupants }

    /// Whether the cap counts every connection of the engine.
    package func isOfEngine(_ cap: Int) -> Bool { caps[cap].key == .engine }

    // MARK: Waiting

    /// The cap that the route waits under.
    package func cap(of index: Int) -> Int? { areOff ? nil : members[index].waitsUnder }

    /// What a route waits for that waits under this cap.
    package func cause(of cap: Int) -> WaitCause? { caps[cap].key?.cause }

    /// The route has a caller to dial for, of this arrival; it keeps its cap if it waits already.
    package mutating func enlist(_ index: Int, arrival: UInt64) {
        guard let cap = members[index].waitsUnder ?? members[index].caps.first else { return }
        members[index].arrival = arrival
        if members[index].waitsUnder == nil {
            enter(index, cap)
        } else {
            moveUp(members[index].position, in: cap)
            moveDown(members[index].position, in: cap)
        }
    }

    /// The route waits under another of its caps from now on.
    package mutating func move(_ index: Int, to cap: Int) {
        withdraw(index)
        enter(index, cap)
    }

    /// The route waits for no place.
    package mutating func withdraw(_ index: Int) {
        guard !areOff, let cap = members[index].waitsUnder else { return }
        meter.add()
        let position = members[index].position
        members[index].waitsUnder = nil
        waitingRoutes -= 1
        let last = caps[cap].queue.removeLast()
        guard last != index else { return }
        caps[cap].queue[position] = last
        members[last].position = position
        moveUp(position, in: cap)
        moveDown(members[last].position, in: cap)
    }

    /// Whether routes wait under a cap of this one.
    package func hasQueue(_ index: Int) -> Bool {
        waitingRoutes > 0 && members[index].caps.contains { !caps[$0].queue.isEmpty }
    }

    // MARK: Looking at queues

    /// A place may have become free under each cap of the route.
    package mutating func lookAt(_ index: Int) {
        for cap in members[index].caps where !caps[cap].isPending && !caps[cap].queue.isEmpty {
            caps[cap].isPending = true
            pending.append(cap)
        }
    }

    /// The cap has no place for those who wait under it.
    package mutating func wasSeen(_ cap: Int) {
        caps[cap].isPending = false
        pending.removeAll { $0 == cap }
    }

    /// The route that has waited longest under the caps to be looked at; `nil` when none is left.
    package mutating func nextHead() -> Head? {
        var oldest: Head?
        pending.removeAll { cap in
            meter.add()
            guard let route = caps[cap].queue.first else {
                caps[cap].isPending = false
                return true
            }
            let arrival = members[route].arrival
            if oldest.map({ arrival < $0.arrival }) ?? true {
                oldest = Head(cap: cap, route: route, arrival: arrival)
            }
            return false
        }
        return oldest
    }

    // MARK: Reports

    /// Each cap in use, with its number in `cap(of:)`.
    package var entries: [(cap: Int, key: CapKey, connections: Int, limit: Int)] {
        caps.indices.compactMap { index in
            caps[index].key.map { (index, $0, caps[index].connections, caps[index].limit) }
        }
    }
}

// MARK: - The heap of a cap

extension ConnectionCaps {
    private mutating func enter(_ index: Int, _ cap: Int) {
        meter.add()
        waitingRoutes += 1
        members[index].waitsUnder = cap
        members[index].position = caps[cap].queue.count
        caps[cap].queue.append(index)
        moveUp(members[index].position, in: cap)
    }

    private mutating func moveUp(_ start: Int, in cap: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard isBefore(position, parent, in: cap) else { return }
            exchange(position, parent, in: cap)
            position = parent
        }
    }

    private mutating func moveDown(_ start: Int, in cap: Int) {
        var position = start
        while true {
            var least = position
            for child in [2 * position + 1, 2 * position + 2]
            where child < caps[cap].queue.count && isBefore(child, least, in: cap) {
                least = child
            }
            guard least != position else { return }
            exchange(position, least, in: cap)
            position = least
        }
    }

    private func isBefore(_ left: Int, _ right: Int, in cap: Int) -> Bool {
        members[caps[cap].queue[left]].arrival < members[caps[cap].queue[right]].arrival
    }

    private mutating func exchange(_ left: Int, _ right: Int, in cap: Int) {
        meter.add()
        caps[cap].queue.swapAt(left, right)
        members[caps[cap].queue[left]].position = left
        members[caps[cap].queue[right]].position = right
    }
}
