import ApusCore

/// The book-keeping under the decisions: slots, lists and timers. Nothing is decided here.
extension PoolMachine {
    func id(_ slot: Int) -> ConnectionID {
        ConnectionID(slot: slot, number: slots[slot].number)
    }

    /// The slot of a connection that is still known.
    func find(_ connection: ConnectionID) -> Int? {
        let slot = connection.slot
        guard slot < slots.count, slots[slot].number == connection.rawValue else { return nil }
        return slot
    }

    /// The route's connections with room, the oldest first.
    ///
    /// What is looked at grows with the connections of one route, which
    /// `http2.maxConnectionsPerHost` bounds.
    mutating func withRoom(_ route: Int) -> [Int] {
        var open: [Int] = []
        var next = routes[route].idle.head
        // Those without room stand at the end of the idle ones.
        while let slot = next, slots[slot].hasRoom {
            open.append(slot)
            next = routeLinks.next(slot)
        }
        next = routes[route].shared.head
        while let slot = next {
            open.append(slot)
            next = routeLinks.next(slot)
        }
        for _ in open { meter.add() }
        open.sort { slots[$0].order < slots[$1].order }
        return open
    }

    /// A route's state, made on the route's first use.
    mutating func routeIndex(_ route: Route) -> Int {
        if let index = routeIndices[route] { return index }
        let index = vacantRoutes.popLast() ?? routes.count
        if index == routes.count {
            routes.append(RouteState())
            backoffs.grow()
            hedges.grow()
        }
        routes[index] = RouteState(route)
        recallIdleTime(index)
        routeIndices[route] = index
        return index
    }

    /// Lets go of a route with neither connections nor waiters.
    mutating func forgetIfEmpty(_ index: Int) {
        guard routes[index].isEmpty, let route = routes[index].route else { return }
        routeIndices[route] = nil
        routes[index] = RouteState()
        vacantRoutes.append(index)
    }

    /// Takes a slot for a new dial.
    mutating func addDial(_ route: Int, isOwn: Bool, _ now: Int64) -> Int {
        let slot = vacantSlots.popLast() ?? slots.count
        if slot == slots.count {
            slots.append(ConnectionSlot())
            routeLinks.grow()
            idleLinks.grow()
            timers.grow()
        }
        var connection = ConnectionSlot()
        counters.dials += 1
        connection.number = UInt64(counters.dials)
        connection.phase = .dialling
        connection.route = route
        connection.isOwn = isOwn
        connection.since = now
        slots[slot] = connection
        routes[route].connections += 1
        routes[route].dials += 1
        slots[slot].lastArrival = waiters.arrivals
        if !isOwn {
            routes[route].pooledDials += 1
            routes[route].hedge.dialStarted(now)
        }
        totals.connections += 1
        totals.dialling += 1
        return slot
    }

    /// Counts a dial as over, and hands the waiter that it was meant for to another dial.
    mutating func dialEnded(_ slot: Int) {
        let route = slots[slot].route
        routes[route].dials -= 1
        totals.dialling -= 1
        guard !slots[slot].isOwn else { return }
        routes[route].pooledDials -= 1
        unmatch(slot)
    }

    /// Counts a connection's end by its cause, or that a dial was given up.
    mutating func countEnd(_ slot: Int, _ reason: CloseReason) {
        if slots[slot].phase == .dialling {
            counters.abandonedDials += 1
        } else {
            counters.closes[reason, default: 0] += 1
        }
    }

    /// Takes a connection out of everything and frees its slot.
    mutating func remove(_ slot: Int) {
        let route = slots[slot].route
        if slots[slot].phase == .dialling { dialEnded(slot) }
        unlist(slot)
        timers.remove(slot)
        counters.losses += slots[slot].exchanges
        totals.exchanges -= slots[slot].exchanges
        totals.connections -= 1
        routes[route].connections -= 1
        changePhase(slot) { $0.phase = .vacant }
        slots[slot].number = 0
        vacantSlots.append(slot)
    }

    /// Changes what decides whether a connection counts as open, as one to grow by, or to wait for,
    /// and counts anew.
    mutating func changePhase(_ slot: Int, _ change: (inout ConnectionSlot) -> Void) {
        let (wasUsable, wasAwaited) = (slots[slot].isUsableMultiplexed, slots[slot].isAwaited)
        let wasOpen = slots[slot].phase == .open
        change(&slots[slot])
        let (isUsable, isAwaited) = (slots[slot].isUsableMultiplexed, slots[slot].isAwaited)
        let isOpen = slots[slot].phase == .open
        let route = slots[slot].route
        if wasUsable != isUsable { routes[route].multiplexed += isUsable ? 1 : -1 }
        if wasAwaited != isAwaited { routes[route].unheard += isAwaited ? 1 : -1 }
        if wasOpen != isOpen { routes[route].open += isOpen ? 1 : -1 }
    }

    /// Moves a connection to the list where it belongs; nothing happens when it is there.
    mutating func relist(_ slot: Int) {
        let wanted = slots[slot].wantedListing
        guard wanted != slots[slot].listing else { return }
        unlist(slot)
        slots[slot].listing = wanted
        let route = slots[slot].route
        switch wanted {
        case .none: return
        case .shared: routeLinks.pushFront(slot, on: &routes[route].shared)
        case .idle:
            idleLinks.pushFront(slot, on: &idle)
            placeAmongIdle(slot)
        }
    }

    /// Enters a connection in its route's idle list: without room it stands at the end, so that the
    /// head alone tells whether any has room.
    private mutating func placeAmongIdle(_ slot: Int) {
        let route = slots[slot].route
        if slots[slot].hasRoom {
            routeLinks.pushFront(slot, on: &routes[route].idle)
        } else {
            routeLinks.pushBack(slot, on: &routes[route].idle)
        }
    }

    /// Changes what decides whether a connection has room; how long it has been idle stays.
    mutating func changeRoom(_ slot: Int, _ change: (inout ConnectionSlot) -> Void) {
        let hadRoom = slots[slot].hasRoom
        changePhase(slot, change)
        guard slots[slot].listing == .idle, slots[slot].hasRoom != hadRoom else { return }
        routeLinks.remove(slot, from: &routes[slots[slot].route].idle)
        placeAmongIdle(slot)
    }

    /// Takes a connection out of the list that it is in.
    mutating func unlist(_ slot: Int) {
        let route = slots[slot].route
        switch slots[slot].listing {
        case .none: return
        case .shared: routeLinks.remove(slot, from: &routes[route].shared)
        case .idle:
            idleLinks.remove(slot, from: &idle)
            routeLinks.remove(slot, from: &routes[route].idle)
        }
        slots[slot].listing = .none
    }

    /// Has an idle connection looked at when its time is over.
    mutating func schedule(_ slot: Int) {
        let expiresAt = slots[slot].expiresAt
        if expiresAt != ConnectionSlot.never { timers.schedule(slot, by: expiresAt) }
    }

    /// When a connection established now is too old: up to a tenth early, by its own amount, so
    /// that connections made together are not renewed together.
    func retirement(_ connection: ConnectionID, _ now: Int64) -> Int64 {
        guard limits.lifetime != ConnectionSlot.never else { return ConnectionSlot.never }
        let early = limits.lifetime / 10 / 1024 * Int64(bits(of: connection) >> 54)
        return now.later(by: limits.lifetime - early)
    }

    /// Bits that look random, the same for the same connection of this machine.
    func bits(of connection: ConnectionID) -> UInt64 {
        let bits = (connection.rawValue ^ seed) &* 0x9E37_79B9_7F4A_7C15
        return (bits ^ bits >> 29) &* 0xBF58_476D_1CE4_E5B9
    }
}
