import ApusCore
import ApusPool
import ApusSocket

/// The pool as the engine uses it: the machine behind one lock, and the deeds it asks for.
///
/// The machine decides under the lock; resuming, dialling and closing happen after it is let go.
///
/// Unchecked, because what stands under "guarded" is touched only with the lock held.
final class ConnectionPool: @unchecked Sendable {
    /// A connection for one exchange.
    struct Lease: Sendable {
        let connection: any LiveConnection
        let isReused: Bool
    }

    private let dialer: Dialer
    /// Where the pool's own timers run.
    private let loop: EventLoop
    private let observer: (any EngineObserver)?

    private let lock = Lock()
    // Guarded.
    private var machine: PoolMachine
    private var connections: [ConnectionID: any LiveConnection] = [:]
    private var waiters: [WaiterID: PoolWaiter] = [:]
    private var dials: [ConnectionID: Task<Void, Never>] = [:]
    /// The instant for which the timer is set.
    private var armed: Deadline?
    /// Who waits for the last connection to go.
    private var drainWaiter: UnsafeContinuation<Void, Never>?

    init(_ tuning: EngineTuning, dialer: Dialer, loop: EventLoop, observer: (any EngineObserver)?) {
        // The seed spreads lifetimes, so that processes started together do not redial together.
        machine = PoolMachine(tuning.pool, http2: tuning.http2, seed: .random(in: 0 ... .max))
        self.dialer = dialer
        self.loop = loop
        self.observer = observer
    }

    // MARK: Leasing

    /// A connection for the request, at once or after waiting for one.
    ///
    /// The wait ends with the acquire timeout, or with the request's own deadlines when they come
    /// first; `started` is what those count from.
    func lease(
        _ request: OutgoingRequest, reuse: RequestOptions.Reuse, started: Deadline
    ) async throws(TransportError) -> Lease {
        enum Decision {
            case leased(Lease)
            case wait(PoolWaiter)
            case refused(LeaseResult.Refusal)
        }
        let now = Deadline.now()
        let (decision, deeds) = lock.withLock { () -> (Decision, Deeds) in
            let (result, actions) = machine.lease(request.route, reuse: Reuse(reuse), now: now)
            let decision: Decision
            switch result {
            case .leased(let id, let isReused):
                guard let connection = connections[id] else {
                    preconditionFailure("the pool leased a connection that nobody holds")
                }
                decision = .leased(Lease(connection: connection, isReused: isReused))
            case .wait(let id):
                let waiter = PoolWaiter(id, in: self)
                waiters[id] = waiter
                decision = .wait(waiter)
            case .refused(let why): decision = .refused(why)
            }
            return (decision, prepare(actions))
        }
        if !deeds.isEmpty { perform(deeds) }
        switch decision {
        case .leased(let lease): return lease
        case .refused(let why): throw .refused(why, request.route)
        case .wait(let waiter):
            observer?.observe(.exchangeQueued(route: request.route))
            let limit = WaitLimit(dialer.tuning.pool.acquireTimeout, now, request, started)
            return try await waiter.wait(limit, on: loop).get()
        }
    }

    /// Gives back a lease that was never used.
    func giveBack(_ lease: Lease) {
        released(lease.connection)
    }

    /// With the waiter's own state deciding who came first: takes it out of the queue.
    ///
    /// - Returns: `false` when it was served already.
    func cancel(_ waiter: PoolWaiter) -> Bool {
        lock.withLock {
            guard machine.cancelWaiter(waiter.id) else { return false }
            waiters[waiter.id] = nil
            return true
        }
    }

    // MARK: Dials

    func dialSucceeded(_ connection: any LiveConnection) {
        observer?.observe(
            .connectionOpened(connection: connection.id.rawValue, facts: connection.facts))
        step { pool in
            guard pool.dials.removeValue(forKey: connection.id) != nil else {
                // Abandoned while it was being made: nobody wants it.
                return PoolActions()
            }
            pool.connections[connection.id] = connection
            return pool.machine.connectionEstablished(
                connection.id, capacity: connection.capacity, now: .now())
        }
        let isWanted = lock.withLock { connections[connection.id] != nil }
        if !isWanted { connection.close(.shutdown) }
    }

    func dialFailed(_ id: ConnectionID, _ error: TransportError) {
        observer?.observe(.dialFailed(connection: id.rawValue, error: error))
        step(failure: error) { pool in
            pool.dials[id] = nil
            return pool.machine.dialFailed(id, now: .now())
        }
    }

    /// Closes what is idle; the pool goes on.
    func closeIdle() {
        step { $0.machine.evictAllIdle(now: .now()) }
    }

    // MARK: Shutting down

    /// Refuses new leases, fails waiters, closes what is idle, abandons dials nobody waits for.
    func shutDown() {
        step { $0.machine.shutDown(now: .now()) }
        let abandoned = lock.withLock { Array(dials.values) }
        for dial in abandoned { dial.cancel() }
    }

    /// Waits until the last connection is gone, or until `cutOff()`.
    func waitUntilEmpty() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isEmpty = lock.withLock {
                guard !connections.isEmpty || !dials.isEmpty else { return true }
                unsafe drainWaiter = continuation
                return false
            }
            if isEmpty { unsafe continuation.resume() }
        }
    }

    /// Closes whatever is left; the routes that were still busy.
    func cutOff() -> [String] {
        let left = lock.withLock { Array(connections.values) }
        let blockers = snapshot().routes.map(\.description)
        for connection in left { connection.close(.shutdown) }
        return left.isEmpty ? [] : blockers
    }

    func snapshot() -> PoolSnapshot {
        lock.withLock { machine.snapshot(now: .now()) }
    }

    // MARK: Deeds

    /// What is to be done once the lock is let go.
    private struct Deeds {
        var grants: [(PoolWaiter, Result<Lease, TransportError>)] = []
        var close: [(any LiveConnection, CloseReason)] = []
        var dial: [PoolActions.Dial] = []
        var abandon: [Task<Void, Never>] = []
        var arm: Deadline?
        var drained: UnsafeContinuation<Void, Never>?

        var isEmpty: Bool {
            unsafe grants.isEmpty && close.isEmpty && dial.isEmpty && abandon.isEmpty && arm == nil
                && drained == nil
        }
    }

    /// Takes one step of the machine and does what follows from it.
    ///
    /// - Parameter failure: what the waiters that this step fails are told.
    private func step(failure: TransportError? = nil, _ body: (ConnectionPool) -> PoolActions) {
        let deeds = lock.withLock { prepare(body(self), failure: failure) }
        if !deeds.isEmpty { perform(deeds) }
    }

    /// With the lock held: turns the machine's names into what they stand for.
    private func prepare(_ actions: PoolActions, failure: TransportError? = nil) -> Deeds {
        var deeds = Deeds()
        if let next = machine.nextDeadline, armed.map({ next < $0 }) ?? true {
            armed = next
            deeds.arm = next
        }
        if connections.isEmpty, dials.isEmpty, actions.dial.isEmpty {
            unsafe deeds.drained = unsafe drainWaiter
            unsafe drainWaiter = nil
        }
        guard !actions.isEmpty else { return deeds }
        for grant in actions.grants {
            guard let waiter = waiters.removeValue(forKey: grant.waiter),
                let connection = connections[grant.connection]
            else { preconditionFailure("the pool granted something that nobody holds") }
            deeds.grants.append(
                (waiter, .success(Lease(connection: connection, isReused: grant.isReused))))
        }
        for failed in actions.failedWaiters {
            guard let waiter = waiters.removeValue(forKey: failed.waiter) else { continue }
            deeds.grants.append((waiter, .failure(error(for: failed.cause, failure))))
        }
        for close in actions.close {
            if let connection = connections.removeValue(forKey: close.connection) {
                deeds.close.append((connection, close.reason))
            } else if let dial = dials.removeValue(forKey: close.connection) {
                deeds.abandon.append(dial)
            }
        }
        deeds.dial = actions.dial
        return deeds
    }

    private func error(
        for cause: PoolActions.Failure.Cause, _ failure: TransportError?
    ) -> TransportError {
        switch cause {
        case .dialFailed:
            failure
                ?? TransportError(
                    .reset, phase: .connect, message: "the connection was of no use to the request")
        case .shutDown:
            TransportError(.shutdown, phase: .pool, message: "the engine is shutting down")
        }
    }

    private func perform(_ deeds: Deeds) {
        for (connection, reason) in deeds.close { connection.close(reason) }
        for dial in deeds.abandon { dial.cancel() }
        for dial in deeds.dial { start(dial) }
        for (waiter, result) in deeds.grants { waiter.finish(result) }
        if let deadline = deeds.arm { arm(deadline) }
        unsafe deeds.drained?.resume()
    }

    private func start(_ dial: PoolActions.Dial) {
        observer?.observe(.dialStarted(connection: dial.connection.rawValue, route: dial.route))
        // The task is entered before it can end: dialling looks the entry up under the lock.
        lock.withLock { dials[dial.connection] = dialer.dial(dial, for: self) }
    }

    private func arm(_ deadline: Deadline) {
        loop.execute {
            _ = self.loop.schedule(at: deadline) { [weak self] in self?.deadlineReached() }
        }
    }

    private func deadlineReached() {
        step { pool in
            pool.armed = nil
            return pool.machine.deadlineReached(now: .now())
        }
    }
}

extension ConnectionPool: ConnectionKeeper {
    func released(_ connection: any LiveConnection) {
        step { $0.machine.release(connection.id, now: .now()) }
    }

    func draining(_ connection: any LiveConnection, reason: CloseReason) {
        step { $0.machine.drain(connection.id, reason: reason, now: .now()) }
    }

    func closed(_ connection: any LiveConnection, reason: CloseReason) {
        observer?.observe(.connectionClosed(connection: connection.id.rawValue, reason: reason))
        step { pool in
            pool.connections[connection.id] = nil
            return pool.machine.connectionClosed(connection.id, reason: reason, now: .now())
        }
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

    func sessionsReceived(from wire: Wire, on connection: any LiveConnection) {
        dialer.keepSessions(from: wire)
    }
}

extension Reuse {
    init(_ reuse: RequestOptions.Reuse) {
        switch reuse {
        case .pooled: self = .pooled
        case .fresh: self = .fresh
        case .oneShot: self = .oneShot
        }
    }
}

extension TransportError {
    /// The pool would not even queue the request.
    static func refused(_ why: LeaseResult.Refusal, _ route: Route) -> TransportError {
        var error =
            switch why {
            case .tooManyWaiters:
                TransportError(
                    .overloaded, phase: .pool,
                    message: "pool.maxWaitersPerHost requests wait for this route already")
            case .shutDown:
                TransportError(.shutdown, phase: .pool, message: "the engine is shutting down")
            }
        error.route = route
        return error
    }
}
