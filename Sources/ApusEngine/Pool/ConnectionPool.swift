import ApusConnection
import ApusCore
import ApusDial
import ApusPool
import ApusSocket

/// The pool as the engine uses it: the machine under one lock, and the actions it asks for.
///
/// The machine decides under the lock; resuming, dialling and closing happen after it is let go.
///
/// Unchecked, because what is under "guarded" is touched only with the lock held.
final class ConnectionPool: @unchecked Sendable {
    /// A connection for one exchange.
    struct Lease: Sendable {
        let connection: any LiveConnection
        let isReused: Bool
        /// When the connection was there.
        let instant: Deadline
        /// What was waited for; `nil` when the connection was there at once.
        var waitedFor: WaitCause?

        /// Whether the connection was in the pool before the lease, so that its peer may have taken
        /// it for idle: it has carried an exchange, or was made before it was needed.
        var wasInPool: Bool { isReused || waitedFor == nil }
    }

    /// What a request gets that asks for a connection.
    enum Leasing {
        case leased(Lease)
        /// None is there: `PoolWaiter.lease` waits for one.
        case wait(PoolWaiter)
    }

    /// Dials that are decided on at once: others want the lock too.
    private static let prewarmStep = 128

    private let dialer: Dialer
    private let http1Routes: HTTP1Routes
    /// Where the waits end.
    let loop: EventLoop
    private let timer: PoolTimer
    private let hostWatch: HostWatch
    private let observer: EventReporter?

    private let lock = Lock()
    // Guarded.
    @exclusivity(unchecked) private var machine: PoolMachine
    @exclusivity(unchecked) private var entries: PoolEntries
    /// Why each route's last dial failed.
    @exclusivity(unchecked) private var failures = DialFailures()
    /// The instant for which the timer is set, or is about to be.
    @exclusivity(unchecked) private var armed: Deadline?
    /// The caller that waits for the last connection to go.
    private var drainWaiter: UnsafeContinuation<Void, Never>?

    /// - Parameter loop: where the timers run.
    init(
        _ tuning: EngineTuning, dialer: Dialer, http1Routes: HTTP1Routes, loop: EventLoop,
        observer: EventReporter?
    ) {
        // The seed spreads lifetimes, so that processes started together do not redial together.
        machine = PoolMachine(tuning.pool, http2: tuning.http2, seed: .random(in: 0 ... .max))
        entries = PoolEntries(CapLimits(tuning.pool))
        self.dialer = dialer
        self.http1Routes = http1Routes
        self.loop = loop
        self.observer = observer
        timer = PoolTimer(on: loop)
        hostWatch = HostWatch(tuning, clocks: dialer.hooks.clocks, on: loop)
    }

    // MARK: Leasing

    /// Asks for a connection for the request: there is one, or the request waits for it.
    func lease(_ next: NextTry) throws(TransportError) -> Leasing {
        enum Decision {
            case leasing(Leasing)
            case refused(TransportError)
        }
        let route = next.route
        let now = next.leaseInstant()
        let held = dialer.proxies.refusal(of: route, now: now)
        let loop = dialer.callersLoop
        let (decision, deeds) = lock.withLock { () -> (Decision, PoolDeeds) in
            let (result, actions) = machine.lease(
                route, reuse: Reuse(next.reuse), isPatient: next.request.waitsOutBackoff,
                mayDial: held == nil, near: loop, now: now)
            let decision: Decision
            switch result {
            case .leased(let id, let isReused):
                decision = .leasing(
                    .leased(
                        Lease(
                            connection: entries.connection(id), isReused: isReused, instant: now)))
            case .wait(let id):
                let cause = machine.waitCause(of: id) ?? .dial
                let waiter = PoolWaiter(id, for: next, since: now, because: cause, in: self)
                entries.add(waiter)
                decision = .leasing(.wait(waiter))
            case .refused(let why):
                decision = .refused(
                    TransportError(why, route, last: failures[route], held: held))
            }
            return (decision, prepare(actions))
        }
        // Reported before the dial that it may start.
        if case .leasing(.wait(let waiter)) = decision {
            next.story?.queued(route, for: waiter.cause)
        }
        if !deeds.isEmpty { perform(deeds) }
        switch decision {
        case .leasing(let leasing): return leasing
        case .refused(let error): throw error
        }
    }

    /// The state of a wait, for its timer; `nil` when it is over.
    func look(
        at waiter: PoolWaiter, _ clock: WaitClock, _ timer: PoolWaiterTimer
    ) -> (verdict: WaitClock.Verdict, cause: WaitCause?)? {
        lock.withLock {
            guard entries.holds(waiter) else { return nil }
            let dial = machine.dial(for: waiter.id)
            let verdict = clock.look(now: .now(), dial: dial)
            if case .lasts(_, isOverdue: true) = verdict { entries.becameOverdue(waiter, timer) }
            return (verdict, dial == nil ? machine.waitCause(of: waiter.id) : .dial)
        }
    }

    /// A dial is over: a caller that waited for nothing else has waited long enough.
    private func lookAtOverdue() {
        for timer in lock.withLock({ entries.overdueTimers }) { timer.look() }
    }

    /// Lets time pass before the next connection is asked for; what ends a wait in the pool ends
    /// this one as well.
    func pause(_ duration: Duration, before next: NextTry) async throws(TransportError) {
        let limit = WaitLimit(
            next.request.acquireTimeout, as: .pool, next.waitsSince, next.request, next.started)
        try await Pause.wait(until: Deadline.now().advanced(by: duration), limit, on: loop)
    }

    /// Gives back a lease that was never used.
    func giveBack(_ lease: Lease) {
        lease.connection.becameIdle()
        released(lease.connection, at: .now())
    }

    /// Takes a waiter out of the queue.
    ///
    /// - Returns: `false` when it was served already.
    func cancel(_ waiter: PoolWaiter) -> Bool {
        var hasWaited = false
        step { pool in
            guard let actions = pool.machine.cancelWaiter(waiter.id, now: .now()) else {
                return PoolActions()
            }
            hasWaited = pool.entries.take(waiter.id) != nil
            return actions
        }
        return hasWaited
    }

    // MARK: Dials

    func dialSucceeded(_ connection: any LiveConnection, _ route: Route) {
        observer?.observe(
            .connectionOpened(
                connection: connection.id.rawValue, route: route, facts: connection.facts))
        // Only this shell knows a connection that was abandoned while it was being made; the
        // machine, which has forgotten it, has it closed.
        var isWanted = false
        step { pool in
            let now = Deadline.now()
            pool.entries.connected(connection, route, at: now)
            pool.failures.forget(route)
            let (capacity, isReported) = pool.firstCapacity(of: connection)
            let actions = pool.machine.connectionEstablished(
                connection.id, capacity: capacity, isShared: connection.isHTTP2,
                isReported: isReported, on: dialer.number(of: connection.loop) ?? 0, now: now)
            isWanted = actions.grants.contains { $0.connection == connection.id }
            return actions
        }
        if !isWanted { connection.becameIdle() }
        hostWatch.connectionMade(in: self)
        lookAtOverdue()
    }

    /// With the lock held: how many exchanges a new connection is given, and whether that is more
    /// than a guess.
    ///
    /// A peer that has reported a limit before will allow as much, until it reports another.
    private func firstCapacity(of connection: any LiveConnection) -> (Int, isReported: Bool) {
        guard connection.isHTTP2 else { return (connection.capacity, true) }
        let known = machine.knownCapacity(for: connection.id)
        let most = known ?? dialer.tuning.http2.streamsBeforeSettings
        return (min(connection.capacity, most), known != nil)
    }

    func dialFailed(_ id: ConnectionID, _ error: TransportError) {
        observer?.observe(.dialFailed(connection: id.rawValue, error: error))
        step(failure: error) { pool in
            guard let dial = pool.entries.dialFailed(id) else { return PoolActions() }
            // The failure of an abandoned dial says nothing about its route, nor does one of a
            // dial that was not made.
            if !dial.wasAbandoned, !error.isHeldBack {
                pool.failures.note(error, of: dial.route) { pool.machine.holds($0) }
            }
            return pool.machine.dialFailed(id, wasMade: !error.isHeldBack, now: .now())
        }
        lookAtOverdue()
    }

    /// Why the route's last dial failed, if none has succeeded since.
    func lastFailure(of route: Route) -> TransportError? {
        lock.withLock { failures[route] }
    }

    // MARK: Routes as wholes

    /// The routes that the pool holds something of.
    var knownRoutes: [Route] { lock.withLock { machine.knownRoutes } }

    /// Dials until the route has so many connections, within its limits.
    ///
    /// - Returns: how many dials that took.
    func prewarm(_ route: Route, connections: Int) -> Int {
        var dials = 0
        var found = 0
        repeat {
            // Dials that fail meanwhile make room for others, so what was asked for is the bound.
            let most = min(ConnectionPool.prewarmStep, connections - dials)
            step { pool in
                let actions = pool.machine.prewarm(
                    route, connections: connections, dials: most, now: .now())
                found = actions.dial.count
                return actions
            }
            dials += found
        } while found == ConnectionPool.prewarmStep
        return dials
    }

    /// Has the connections of these routes take no more; those that are idle close.
    func drainAll(of routes: Set<Route>, _ reason: CloseReason) {
        step { pool in
            pool.failures.forget(where: routes.contains)
            return pool.machine.drainAll(of: routes, reason: reason, now: .now())
        }
    }

    /// Lets the connections with TLS finish what they carry, and no more.
    func tlsReloaded() {
        step { pool in
            let routes = Set(pool.machine.knownRoutes.filter(\.hasTLS))
            return pool.machine.drainAll(of: routes, reason: .tlsReloaded, now: .now())
        }
    }

    /// Has one connection take no more, if it is still there.
    func drain(_ id: ConnectionID, _ reason: CloseReason) {
        step { $0.machine.drain(id, reason: reason, now: .now()) }
    }

    /// Closes what is idle; the pool goes on.
    func closeIdle() {
        step { $0.machine.closeIdle(.evicted, most: .max, now: .now()) }
    }

    // MARK: The system

    /// The clocks may show that the system has slept.
    func clocksChanged() { hostWatch.clocksChanged() }

    /// Closes what is idle, and has the rest ask its peers where it can.
    func systemSlept() {
        step { $0.machine.closeIdle(.systemSlept, most: .max, now: .now()) }
        for connection in lock.withLock({ entries.openConnections }) { connection.systemSlept() }
    }

    /// Ends the connections that are bound to an address which this system has lost.
    func addressRemoved(_ removed: RemovedAddress) {
        let left = lock.withLock { entries.openConnections }
        for connection in left { connection.addressRemoved(removed) }
    }

    /// The engine has ended.
    func stopListening() { hostWatch.stop() }

    // MARK: Shutting down

    /// Refuses new leases, fails waiters, closes what is idle, abandons dials without waiters.
    func shutDown() {
        step { $0.machine.shutDown(now: .now()) }
    }

    /// Waits until the last connection and the last dial are gone; `cutOff()` brings that about.
    func waitUntilEmpty() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isEmpty = lock.withLock {
                guard !entries.isEmpty else { return true }
                unsafe drainWaiter = continuation
                return false
            }
            if isEmpty { unsafe continuation.resume() }
        }
    }

    /// Closes whatever is left; the routes that were still busy.
    func cutOff() -> [String] {
        let left = lock.withLock { entries.openConnections }
        let blockers = snapshot().routes
        for connection in left { connection.close(.shutdown) }
        return left.isEmpty ? [] : blockers.map { "\(EngineSnapshot.RouteEntry($0))" }
    }

    func snapshot() -> PoolSnapshot {
        lock.withLock { machine.snapshot(now: .now()) }
    }

    func snapshotWithFacts() -> (PoolSnapshot, [ConnectionID: ConnectionFacts]) {
        lock.withLock { (machine.snapshot(now: .now()), entries.facts) }
    }

    // MARK: Deeds

    /// Takes one step of the machine and does what follows from it.
    ///
    /// - Parameter failure: the error of the waiters that this step fails.
    private func step(failure: TransportError? = nil, _ body: (ConnectionPool) -> PoolActions) {
        let deeds = lock.withLock { prepare(body(self), failure: failure) }
        if !deeds.isEmpty { perform(deeds) }
    }

    /// With the lock held: what follows from a step, as deeds.
    private func prepare(_ actions: PoolActions, failure: TransportError? = nil) -> PoolDeeds {
        var deeds = PoolDeeds()
        if let next = machine.nextDeadline, armed.map({ next < $0 }) ?? true {
            armed = next
            deeds.mustArm = true
        }
        if entries.isEmpty, actions.dial.isEmpty {
            unsafe deeds.drained = unsafe drainWaiter
            unsafe drainWaiter = nil
        }
        entries.apply(actions, failure: failure, to: &deeds)
        return deeds
    }

    private func perform(_ deeds: PoolDeeds) {
        for (connection, reason) in deeds.close { connection.close(reason) }
        for dial in deeds.abandon { dial.cancel() }
        for dial in deeds.dial { start(dial) }
        for (waiter, result) in deeds.grants { waiter.finish(result) }
        if deeds.mustArm { arm() }
        unsafe deeds.drained?.resume()
    }

    private func start(_ dial: PoolActions.Dial) {
        observer?.observe(.dialStarted(connection: dial.connection.rawValue, route: dial.route))
        let task = dialer.dial(dial.connection, dial.route, for: self)
        let isAbandoned = lock.withLock { entries.dialStarted(dial.connection, as: task) }
        if isAbandoned { task.cancel() }
    }

    /// Sets the timer anew, for the earliest instant known by then.
    private func arm() {
        timer.set({ self.lock.withLock { self.armed } }) { [weak self] in
            self?.deadlineReached()
        }
    }

    private func deadlineReached() {
        hostWatch.clocksChanged()
        step { pool in
            pool.armed = nil
            let actions = pool.machine.deadlineReached(now: .now())
            if !pool.failures.isEmpty { pool.failures.forget { !pool.machine.holds($0) } }
            return actions
        }
    }
}

extension ConnectionPool: DialDelegate {
    func released(_ connection: any LiveConnection, at now: Deadline) {
        step { $0.machine.release(connection.id, now: now) }
    }

    func draining(_ connection: any LiveConnection, reason: CloseReason) {
        observer?.observe(
            .connectionDraining(connection: connection.id.rawValue, reason: reason))
        step { $0.machine.drain(connection.id, reason: reason, now: .now()) }
    }

    func calmDemanded(_ connection: any LiveConnection) {
        step { pool in
            pool.machine.calmDemanded(connection.id, now: .now())
            return PoolActions()
        }
    }

    func suspected(_ connection: any LiveConnection) {
        step { $0.machine.connectionSuspected(connection.id, now: .now()) }
    }

    func trusted(_ connection: any LiveConnection) {
        step { $0.machine.connectionTrusted(connection.id, now: .now()) }
    }

    func congestionChanged(_ connection: any LiveConnection, window: Int?) {
        var route: Route?
        step { pool in
            route = pool.entries.opening(of: connection.id)?.route
            return pool.machine.congestionChanged(
                connection.id, isCongested: window != nil, now: .now())
        }
        if let window, let route { http1Routes.congested(route, window: window) }
    }

    func closed(_ connection: any LiveConnection, reason: CloseReason) {
        let now = Deadline.now()
        if let observer, let opening = lock.withLock({ entries.opening(of: connection.id) }) {
            observer.observe(
                .connectionClosed(
                    connection: connection.id.rawValue, route: opening.route, reason: reason,
                    age: now.since(opening.at)))
        }
        // The route of a connection through proxies that ended while it carried an exchange.
        var cut: Route?
        step { pool in
            let route = pool.entries.opening(of: connection.id)?.route
            pool.entries.closed(connection.id)
            let losses = pool.machine.counters.losses
            let actions = pool.machine.connectionClosed(
                connection.id, reason: reason, now: now)
            if pool.machine.counters.losses > losses { cut = route }
            return actions
        }
        if let cut, reason.isCut { dialer.proxies.wasCut(cut, now: now) }
    }

    func capacityChanged(_ connection: any LiveConnection, to capacity: Int) {
        step { $0.machine.capacityChanged(connection.id, to: capacity, now: .now()) }
    }

    func idleTimeHinted(_ connection: any LiveConnection, _ timeout: Duration) {
        step { pool in
            pool.machine.idleTimeHinted(connection.id, timeout)
            return PoolActions()
        }
    }

    func evictIdle() -> Bool {
        guard lock.withLock({ machine.counts.idle > 0 }) else { return false }
        step { $0.machine.closeIdle(.evicted, most: 1, now: .now()) }
        return true
    }
}
