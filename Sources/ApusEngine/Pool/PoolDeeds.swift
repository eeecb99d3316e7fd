import ApusConnection
import ApusCore
import ApusPool

/// What a step of the pool's machine leads to, to be done once the pool's lock is let go.
struct PoolDeeds {
    var grants: [(waiter: PoolWaiter, answer: PoolWaiter.Answer)] = []
    var close: [(connection: any LiveConnection, reason: CloseReason)] = []
    var dial: [PoolActions.Dial] = []
    var abandon: [Task<Void, Never>] = []
    /// Whether the timer is to be set for an earlier instant.
    var mustArm = false
    /// The caller that waits for the last connection to go, once it has gone.
    var drained: UnsafeContinuation<Void, Never>?

    var isEmpty: Bool {
        unsafe grants.isEmpty && close.isEmpty && dial.isEmpty && abandon.isEmpty && !mustArm
            && drained == nil
    }
}
