import ApusConnection
import ApusCore
import ApusPool
import ApusSocket

/// The objects that the identifiers of the pool's machine name: connections, waiters and dials.
///
/// A value under the pool's lock. It calls none of them, but says what is to be done (`PoolDeeds`).
struct PoolEntries {
    /// What is reported when a connection closes.
    struct Opening {
        let route: Route
        let at: Deadline
    }

    private var connections: [ConnectionID: any LiveConnection] = [:]
    /// Of each of those; apart from them, as no exchange asks for it.
    private var openings: [ConnectionID: Opening] = [:]
    private var waiters: [WaiterID: PoolWaiter] = [:]
    /// Waits whose time in the queue is over while a dial for them goes on.
    private var overdue: [WaiterID: PoolWaiterTimer] = [:]
    private var dials = PoolDials()
    private var heldDials: HeldDials

    init(_ limits: CapLimits) {
        heldDials = HeldDials(limits)
    }

    /// Whether neither connection nor dial is left.
    var isEmpty: Bool { connections.isEmpty && dials.isEmpty }

    // MARK: Connections

    var openConnections: [any LiveConnection] { Array(connections.values) }

    var facts: [ConnectionID: ConnectionFacts] { connections.mapValues(\.facts) }

    /// A connection that the machine has leased.
    func connection(_ id: ConnectionID) -> any LiveConnection {
        guard let connection = connections[id] else {
            preconditionFailure("the pool leased a connection that is not entered")
        }
        return connection
    }

    /// When and for which route a connection was made; `nil` once it has closed.
    func opening(of id: ConnectionID) -> Opening? { openings[id] }

    /// A dial has succeeded.
    mutating func connected(_ connection: any LiveConnection, _ route: Route, at now: Deadline) {
        _ = dials.ended(connection.id)
        heldDials.ended(connection.id, of: route)
        connections[connection.id] = connection
        openings[connection.id] = Opening(route: route, at: now)
    }

    /// A connection has closed.
    mutating func closed(_ id: ConnectionID) {
        connections[id] = nil
        if let opening = openings.removeValue(forKey: id) {
            heldDials.ended(id, of: opening.route)
            heldDials.closed(opening.route)
        }
    }

    // MARK: Waiters

    mutating func add(_ waiter: PoolWaiter) {
        waiters[waiter.id] = waiter
    }

    /// Whether the waiter was not answered yet.
    func holds(_ waiter: PoolWaiter) -> Bool { waiters[waiter.id] != nil }

    /// Takes out a waiter that is answered, or gives up.
    mutating func take(_ id: WaiterID) -> PoolWaiter? {
        if !overdue.isEmpty { overdue[id] = nil }
        return waiters.removeValue(forKey: id)
    }

    /// A waiter waits for nothing but a dial: its timer looks again when a dial ends.
    mutating func becameOverdue(_ waiter: PoolWaiter, _ timer: PoolWaiterTimer) {
        overdue[waiter.id] = timer
    }

    var overdueTimers: [PoolWaiterTimer] { overdue.isEmpty ? [] : Array(overdue.values) }

    // MARK: Dials

    /// A dial is under way.
    ///
    /// - Returns: whether it was abandoned before that, so that the task is to be cancelled.
    mutating func dialStarted(_ id: ConnectionID, as task: Task<Void, Never>) -> Bool {
        dials.started(id, as: task)
    }

    /// A dial has failed.
    ///
    /// - Returns: `nil` when there is no such dial.
    mutating func dialFailed(_ id: ConnectionID) -> (route: Route, wasAbandoned: Bool)? {
        guard let dial = dials.ended(id) else { return nil }
        heldDials.ended(id, of: dial.route)
        heldDials.closed(dial.route)
        return dial
    }

    // MARK: Steps

    /// Enters what the machine has decided.
    ///
    /// - Parameters:
    ///   - failure: the error of waiters that fail with their dial.
    ///   - deeds: gets what follows from it.
    mutating func apply(
        _ actions: PoolActions, failure: TransportError?, to deeds: inout PoolDeeds
    ) {
        for grant in actions.grants {
            guard let waiter = take(grant.waiter) else {
                preconditionFailure("the pool granted something to a waiter that is not entered")
            }
            let lease = ConnectionPool.Lease(
                connection: connection(grant.connection), isReused: grant.isReused,
                instant: .now())
            deeds.grants.append((waiter, .success(lease)))
        }
        for failed in actions.failedWaiters {
            guard let waiter = take(failed.waiter) else { continue }
            deeds.grants.append((waiter, .failure(TransportError(failed.cause, failure))))
        }
        for close in actions.close { end(close, in: &deeds) }
        // After the closes: a dial that was abandoned and yet succeeded still holds what it held.
        deeds.dial = heldDials.takeFree()
        for dial in actions.dial {
            dials.decided(dial)
            if heldDials.mayStart(dial) { deeds.dial.append(dial) }
        }
    }

    /// Has a connection closed, or a dial abandoned.
    ///
    /// It is still entered: its end is a step of its own.
    private mutating func end(_ close: PoolActions.Close, in deeds: inout PoolDeeds) {
        let id = close.connection
        if let connection = connections[id], let opening = openings[id] {
            heldDials.willEnd(id, of: opening.route)
            deeds.close.append((connection, close.reason))
        } else if let dial = dials.abandoned(id) {
            heldDials.willEnd(id, of: dial.route)
            if let task = dial.task { deeds.abandon.append(task) }
        }
    }
}
