import ApusCore
import ApusPool

/// Drives a machine like the shell does, and keeps what it said; the clock is a number.
final class PoolDriver {
    var pool: PoolMachine
    var now = Deadline(nanoseconds: 0)
    /// Dials to be answered, in order.
    var dials: [ConnectionID] = []
    var closes: [PoolActions.Close] = []
    var grants: [PoolActions.Grant] = []
    var failures: [PoolActions.Failure] = []

    init(
        http2: EngineTuning.HTTP2 = .init(), _ change: (inout EngineTuning.Pool) -> Void = { _ in }
    ) {
        var tuning = EngineTuning.Pool()
        tuning.maxIdlePerHost = 20
        // What follows from a failure is easier to see when it follows at once.
        tuning.dialBackoff = nil
        change(&tuning)
        pool = PoolMachine(tuning, http2: http2, seed: 0)
    }

    func perform(_ actions: PoolActions) {
        dials += actions.dial.map(\.connection)
        closes += actions.close
        grants += actions.grants
        failures += actions.failedWaiters
        for close in actions.close { dials.removeAll { $0 == close.connection } }
    }

    func pass(_ duration: Duration) { now = now.advanced(by: duration) }

    func lease(
        _ route: Route, _ reuse: Reuse = .pooled, isPatient: Bool = false, mayDial: Bool = true,
        near loop: Int? = nil
    ) -> LeaseResult {
        let (result, actions) = pool.lease(
            route, reuse: reuse, isPatient: isPatient, mayDial: mayDial, near: loop, now: now)
        perform(actions)
        return result
    }

    /// A lease that must wait.
    func wait(
        _ route: Route, _ reuse: Reuse = .pooled, isPatient: Bool = false
    ) -> WaiterID? {
        guard case .wait(let waiter) = lease(route, reuse, isPatient: isPatient) else {
            return nil
        }
        return waiter
    }

    /// A lease that must be served at once.
    func take(_ route: Route, near loop: Int? = nil) -> ConnectionID? {
        guard case .leased(let connection, _) = lease(route, near: loop) else { return nil }
        return connection
    }

    func establish(_ connection: ConnectionID, capacity: Int = 1, on loop: Int = 0) {
        dials.removeAll { $0 == connection }
        perform(pool.connectionEstablished(connection, capacity: capacity, on: loop, now: now))
    }

    /// Dials, establishes and gives back a connection for each of these loops.
    func open(_ route: Route, on loops: [Int]) -> [ConnectionID] {
        for _ in loops { _ = wait(route) }
        let opened = dials
        for (connection, loop) in zip(opened, loops) { establish(connection, on: loop) }
        for connection in opened { release(connection) }
        return opened
    }

    /// A connection for many exchanges, whose peer has not said how many.
    func establishUnheard(_ connection: ConnectionID) {
        dials.removeAll { $0 == connection }
        perform(
            pool.connectionEstablished(
                connection, capacity: 1, isShared: true, isReported: false, now: now))
    }

    func hear(_ connection: ConnectionID, _ capacity: Int) {
        perform(pool.capacityChanged(connection, to: capacity, now: now))
    }

    func fail(_ connection: ConnectionID, wasMade: Bool = true) {
        dials.removeAll { $0 == connection }
        perform(pool.dialFailed(connection, wasMade: wasMade, now: now))
    }

    func release(_ connection: ConnectionID) {
        perform(pool.release(connection, now: now))
    }

    func closed(_ connection: ConnectionID, _ reason: CloseReason = .peerClosed) {
        perform(pool.connectionClosed(connection, reason: reason, now: now))
    }

    func drain(_ connection: ConnectionID, _ reason: CloseReason) {
        perform(pool.drain(connection, reason: reason, now: now))
    }

    func cancel(_ waiter: WaiterID) -> Bool {
        guard let actions = pool.cancelWaiter(waiter, now: now) else { return false }
        perform(actions)
        return true
    }

    func tick() { perform(pool.deadlineReached(now: now)) }

    /// Dials, establishes and leases `count` connections of capacity 1.
    func open(_ route: Route, _ count: Int) -> [ConnectionID] {
        var opened: [ConnectionID] = []
        for _ in 0..<count {
            if let reused = take(route) {
                opened.append(reused)
            } else if let dial = dials.first {
                establish(dial)
                opened.append(dial)
            }
        }
        return opened
    }

    /// The connections that were closed, with why, since the last time this was asked.
    func takeCloses() -> [PoolActions.Close] {
        defer { closes = [] }
        return closes
    }
}

/// The routes that tests speak of.
enum Routes {
    /// A route in the clear: HTTP/1.1, known beforehand.
    static func plain(_ host: String = "plain.test") -> Route { route(.http, host) }

    /// A route that may turn out to be HTTP/2.
    static func secure(_ host: String = "secure.test") -> Route { route(.https, host) }

    static func route(
        _ scheme: Scheme, _ host: String, _ versions: HTTPVersionPolicy = .automatic
    ) -> Route {
        do {
            return Route(origin: try Origin(scheme: scheme, host: host), versions: versions)
        } catch {
            preconditionFailure("a test names a bad host: \(error)")
        }
    }
}
