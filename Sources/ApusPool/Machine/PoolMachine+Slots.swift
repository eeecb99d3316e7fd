import ApusCore

/// The bookkeeping of slots, lists and timers that the decisions use. Nothing is decided here.
extension PoolMachine {
    func id(_ slot: Int) -> ConnectionID {
        ConnectionID(slot: slot, number: slots[slot].number)
    }

    /// The slot of a connection that is still known.
    func find(_ connection: ConnectionID) -> Int? {
        let slot = connection.slot
        guard slot < slots.count, slots[slot].holds(connection.rawValue) else { return nil }
        return slot
    }

    /// Idle connections that are looked at for one of the caller's loop.
    static let maxNearLooks = 16

    /// A connection with room, as `leastLoadedOfEnough` compares it.
    struct Candidate {
        let slot: Int
        let order: UInt64
        let exchanges: Int
        /// A congested connection, or one with as many exchanges as are preferred, adds nothing to
        /// what is enough.
        let capacity: Int
        /// `exchanges`, and more than any other's in those two cases.
        let load: Int
    }

    /// The route's connections with room, the oldest first.
    ///
    /// The work grows with the connections of one route, which `http2.maxConnectionsPerHost`
    /// bounds.
    mutating func withRoom(_ route: Int) -> [Candidate] {
        var found: [Candidate] = []
        // Idle connections without room are at the end of their list.
        for list in [routes[route].idle, routes[route].shared] {
            var next = list.head
            while let slot = next, case .open(let connection) = slots[slot], connection.hasRoom {
                meter.add()
                let (exchanges, preferred) = (connection.exchanges, limits.preferredPerConnection)
                let isLoaded = connection.isCongested || exchanges >= preferred
                found.append(
                    Candidate(
                        slot: slot, order: times[slot].order, exchanges: exchanges,
                        capacity: isLoaded ? exchanges : min(connection.capacity, preferred),
                        load: isLoaded ? exchanges + 1 << 32 : exchanges))
                next = routeLinks.next(slot)
            }
        }
        found.sort { $0.order < $1.order }
        return found
    }

    /// The idle connection with room that was used last; one of this loop, if one is among the last
    /// few, so that its exchange does not change threads.
    @inline(__always)
    mutating func usedLast(_ route: Int, near loop: Int?) -> Int? {
        guard let head = routes[route].idle.head, slots[head].hasRoom else { return nil }
        return loop.map { nearest(to: head, $0) } ?? head
    }

    /// The first connection of this loop from `head` on, or else `head`.
    private mutating func nearest(to head: Int, _ loop: Int) -> Int {
        var next: Int? = head
        for _ in 0..<Self.maxNearLooks {
            guard let slot = next, case .open(let connection) = slots[slot], connection.hasRoom
            else { break }
            if Int(connection.loop) == loop { return slot }
            meter.add()
            next = routeLinks.next(slot)
        }
        return head
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
        caps.join(index, route)
        return index
    }

    /// Forgets a route with neither connections nor waiters.
    mutating func forgetIfEmpty(_ index: Int) {
        guard routes[index].isEmpty, let route = routes[index].route else { return }
        routeIndices[route] = nil
        routes[index] = RouteState()
        caps.leave(index)
        vacantRoutes.append(index)
    }

    /// Starts the dial that is matched with a caller.
    mutating func startDial(
        for waiter: Int, of index: Int, _ now: Int64, _ actions: inout PoolActions
    ) {
        guard let route = routes[index].route else { return }
        let isPooled = waiters[waiter].reuse == .pooled
        let slot = addDial(
            index, for: isPooled ? .shared(waiter: waiter) : .own(waiter: waiter), now)
        routes[index].queue.match(waiter, with: slot, in: &waiters)
        actions.dial.append(PoolActions.Dial(connection: id(slot), route: route))
    }

    /// Starts a dial that no waiter depends on, if every limit allows it.
    ///
    /// - Returns: whether one was started.
    mutating func startUnwantedDial(
        of index: Int, _ now: Int64, _ actions: inout PoolActions
    ) -> Bool {
        let state = routes[index]
        guard let route = state.route, !isShutDown, !isHeld(index, now), caps.hasRoom(index),
            state.connections < limits.connectionsPerHost, state.dials < limits.dialsPerHost(state)
        else { return false }
        let slot = addDial(index, for: .shared(waiter: nil), now)
        actions.dial.append(PoolActions.Dial(connection: id(slot), route: route))
        return true
    }

    /// Starts a dial for a further connection for many exchanges, which none waits for, if every
    /// limit allows it.
    mutating func startFurtherDial(of index: Int, _ now: Int64, _ actions: inout PoolActions) {
        let state = routes[index]
        guard state.sharedDials == 0, state.multiplexed > 0,
            state.multiplexed < limits.multiplexedPerHost
        else { return }
        _ = startUnwantedDial(of: index, now, &actions)
    }

    /// Takes a slot for a new dial.
    mutating func addDial(
        _ route: Int, for purpose: ConnectionSlot.Dial.Purpose, _ now: Int64
    ) -> Int {
        let slot = vacantSlots.popLast() ?? slots.count
        if slot == slots.count {
            slots.append(.vacant)
            times.append(.unset)
            routeLinks.grow()
            idleLinks.grow()
            timers.grow()
        }
        counters.dials += 1
        slots[slot] = .dialling(
            ConnectionSlot.Dial(
                number: UInt64(counters.dials), route: route, began: now,
                lastArrival: waiters.arrivals, purpose: purpose))
        routes[route].connections += 1
        caps.take(route)
        routes[route].dials += 1
        if case .shared = purpose {
            routes[route].sharedDials += 1
            routes[route].hedge.dialStarted(now)
        }
        totals.connections += 1
        totals.dialling += 1
        return slot
    }

    /// Counts a dial as over, and gives the waiter that depended on it another dial, if it was
    /// shared.
    mutating func dialEnded(_ dial: ConnectionSlot.Dial) {
        routes[dial.route].dials -= 1
        totals.dialling -= 1
        guard case .shared(let waiter) = dial.purpose else { return }
        routes[dial.route].sharedDials -= 1
        guard let waiter, let given = routes[dial.route].queue.unmatch(waiter, in: &waiters) else {
            return
        }
        slots[given].updateDial { $0.purpose = .shared(waiter: waiter) }
    }

    /// The waiter that depended on a dial or connection has left its queue.
    mutating func detachWaiter(from slot: Int) {
        if slots[slot].waiterLeft() { routes[slots[slot].route].sharedDials += 1 }
    }

    /// Counts a connection's end by its cause, or that a dial was given up.
    mutating func countEnd(_ slot: Int, _ reason: CloseReason) {
        if case .dialling = slots[slot] {
            counters.abandonedDials += 1
        } else {
            counters.closes[reason, default: 0] += 1
        }
    }

    /// Takes a connection or dial out of everything and frees its slot.
    mutating func remove(_ slot: Int) {
        let route = slots[slot].route
        if case .dialling(let dial) = slots[slot] { dialEnded(dial) }
        if let connection = slots[slot].connection {
            counters.losses += connection.exchanges
            totals.exchanges -= connection.exchanges
            unlist(slot)
        }
        timers.remove(slot)
        totals.connections -= 1
        routes[route].connections -= 1
        caps.give(route)
        change(slot, of: route) { $0 = .vacant }
        vacantSlots.append(slot)
    }

    /// Changes what decides whether a connection counts as open, as one to grow by, as congested,
    /// or to wait for, and counts anew.
    mutating func change(
        _ slot: Int, of route: Int, _ change: (inout ConnectionSlot) -> Void
    ) {
        let wasOpen = slots[slot].isOpen
        let (wasUsable, wasAwaited) = (slots[slot].isUsableMultiplexed, slots[slot].isAwaited)
        let wasCongested = slots[slot].isCongestedMultiplexed
        change(&slots[slot])
        let isOpen = slots[slot].isOpen
        let (isUsable, isAwaited) = (slots[slot].isUsableMultiplexed, slots[slot].isAwaited)
        if wasOpen != isOpen { routes[route].open += isOpen ? 1 : -1 }
        if wasUsable != isUsable { routes[route].multiplexed += isUsable ? 1 : -1 }
        let isCongested = slots[slot].isCongestedMultiplexed
        if wasCongested != isCongested { routes[route].congested += isCongested ? 1 : -1 }
        if wasAwaited != isAwaited { routes[route].unreported += isAwaited ? 1 : -1 }
    }

    /// Moves a connection to the list where it belongs; nothing happens when it is there.
    mutating func relist(_ slot: Int) {
        guard let listing = slots[slot].newListing else { return }
        unlist(slot)
        slots[slot].update { $0.listing = listing }
        let route = slots[slot].route
        switch listing {
        case .none: return
        case .shared: routeLinks.pushFront(slot, on: &routes[route].shared)
        case .idle:
            idleLinks.pushFront(slot, on: &idle)
            placeAmongIdle(slot)
        }
    }

    /// Enters a connection in its route's idle list: at the end when it has no room, so that the
    /// head alone shows whether any has room.
    private mutating func placeAmongIdle(_ slot: Int) {
        let route = slots[slot].route
        if slots[slot].hasRoom {
            routeLinks.pushFront(slot, on: &routes[route].idle)
        } else {
            routeLinks.pushBack(slot, on: &routes[route].idle)
        }
    }

    /// Changes what decides whether an open connection has room; how long it has been idle stays.
    mutating func changeRoom(_ slot: Int, _ change: (inout ConnectionSlot.Open) -> Void) {
        let (route, hadRoom) = (slots[slot].route, slots[slot].hasRoom)
        self.change(slot, of: route) { $0.update(change) }
        guard case .open(let connection) = slots[slot], connection.listing == .idle,
            connection.hasRoom != hadRoom
        else { return }
        routeLinks.remove(slot, from: &routes[route].idle)
        placeAmongIdle(slot)
    }

    /// Takes a connection out of the list that it is in; its `listing` is for the caller to change.
    private mutating func unlist(_ slot: Int) {
        let route = slots[slot].route
        switch slots[slot].listing {
        case .none: return
        case .shared: routeLinks.remove(slot, from: &routes[route].shared)
        case .idle:
            idleLinks.remove(slot, from: &idle)
            routeLinks.remove(slot, from: &routes[route].idle)
        }
    }

    /// Starts the times of a connection that is established now.
    mutating func startTimes(_ slot: Int, _ now: Int64) {
        times[slot] = ConnectionTimes(
            order: UInt64(counters.connectionsOpened), establishedAt: now,
            retiresAt: retirement(id(slot), now),
            failuresBefore: routes[slots[slot].route].pause.failures,
            idleLimit: limits.idleTimeout, idleSince: now)
    }

    /// Why a connection or dial is past its time; `nil` when it is not.
    func expiry(_ slot: Int, _ now: Int64) -> CloseReason? {
        switch slots[slot] {
        case .vacant, .draining: nil
        case .dialling(let dial): dial.givenUpAt <= now ? .cancelled : nil
        case .open(let open): times[slot].expiry(isIdle: open.exchanges == 0, now)
        }
    }

    /// Has an idle connection, or an unwanted dial, looked at when its time is over.
    mutating func schedule(_ slot: Int) {
        let expiresAt = slots[slot].dial?.givenUpAt ?? times[slot].expiresAt
        if expiresAt != .never { timers.schedule(slot, by: expiresAt) }
    }

    /// When a connection established now is too old: up to a tenth early, by its own amount, so
    /// that connections made together are not renewed together.
    func retirement(_ connection: ConnectionID, _ now: Int64) -> Int64 {
        guard limits.lifetime != .never else { return .never }
        let early = limits.lifetime / 10 / 1024 * Int64(bits(of: connection) >> 54)
        return now.later(by: limits.lifetime - early)
    }

    /// Pseudo-random bits, the same for the same connection of this machine.
    func bits(of connection: ConnectionID) -> UInt64 {
        let bits = (connection.rawValue ^ seed) &* 0x9E37_79B9_7F4A_7C15
        return (bits ^ bits >> 29) &* 0xBF58_476D_1CE4_E5B9
    }
}
