package import ApusCore

/// The result of a request for a connection.
package enum LeaseResult: Sendable, Hashable {
    /// A connection for one exchange; give it back with `release`.
    ///
    /// `isReused` is whether it has carried an exchange before.
    case leased(ConnectionID, isReused: Bool)
    /// None is free: a later step's `grants` or `failedWaiters` will name this waiter, once.
    case wait(WaiterID)
    /// Nothing was queued.
    case refused(Refusal)

    /// Why a lease was refused.
    package enum Refusal: Sendable, Hashable {
        /// The route's queue is full (`pool.maxWaitersPerHost`).
        case tooManyWaiters
        /// The route's last dial failed a moment ago, and the next one waits a while; or the caller
        /// may not dial.
        case dialFailed
        /// The pool was shut down.
        case shutDown
    }
}

/// What the shell must do after it has released the lock; empty after most steps.
///
/// The order is: `close` before `dial`, so that a peer never sees more connections than the limit.
package struct PoolActions: Sendable {
    /// A waiter and the connection that serves it.
    package struct Grant: Sendable, Hashable {
        package let waiter: WaiterID
        package let connection: ConnectionID
        /// Whether the connection has carried an exchange before.
        package let isReused: Bool

        package init(waiter: WaiterID, connection: ConnectionID, isReused: Bool) {
            self.waiter = waiter
            self.connection = connection
            self.isReused = isReused
        }
    }

    /// A waiter that will not be served, and why.
    package struct Failure: Sendable, Hashable {
        /// What ended the wait.
        package enum Cause: Sendable, Hashable {
            /// The dial that was made for the waiter, or for all waiters, failed; the shell knows
            /// why.
            case dialFailed(ConnectionID)
            /// The pool was shut down.
            case shutDown
        }

        package let waiter: WaiterID
        package let cause: Cause

        package init(waiter: WaiterID, cause: Cause) {
            self.waiter = waiter
            self.cause = cause
        }
    }

    /// A connection to close, or a dial in flight to abandon; the pool has forgotten it.
    package struct Close: Sendable, Hashable {
        package let connection: ConnectionID
        package let reason: CloseReason

        package init(connection: ConnectionID, reason: CloseReason) {
            self.connection = connection
            self.reason = reason
        }
    }

    /// A dial to start now; it ends in `connectionEstablished` or `dialFailed`.
    package struct Dial: Sendable, Hashable {
        package let connection: ConnectionID
        package let route: Route
    }

    package var grants: [Grant] = []
    package var failedWaiters: [Failure] = []
    package var close: [Close] = []
    package var dial: [Dial] = []

    package init() {}

    /// Whether there is nothing to do.
    package var isEmpty: Bool {
        grants.isEmpty && failedWaiters.isEmpty && close.isEmpty && dial.isEmpty
    }
}
