import ApusCore

/// When an established connection was made, used, and left idle.
///
/// The times are kept beside the `ConnectionSlot`, because a change of an enum's payload copies all
/// of it, and an exchange changes the slot several times.
struct ConnectionTimes: Sendable {
    /// Its place in the order in which connections were established, from 1.
    let order: UInt64
    let establishedAt: Int64
    /// When it is too old for another exchange.
    let retiresAt: Int64
    /// The route's failed dials in a row before the connection was established.
    let failuresBefore: Int
    /// How long it may be idle.
    var idleLimit: Int64
    /// When it was established, or the last exchange ended.
    var idleSince: Int64
    /// When it last left the idle list; before `idleSince` when a waiter got it at once.
    var idleUntil: Int64 = 0

    /// The times of a slot that has had no connection yet.
    static let unset = ConnectionTimes(
        order: 0, establishedAt: 0, retiresAt: .never, failuresBefore: 0, idleLimit: .never,
        idleSince: 0)

    /// When the connection is to be closed if it stays idle.
    var expiresAt: Int64 { min(idleSince.later(by: idleLimit), retiresAt) }

    /// Why the connection is past its time; `nil` when it is not.
    func expiry(isIdle: Bool, _ now: Int64) -> CloseReason? {
        if retiresAt <= now { return .lifetime }
        return isIdle && expiresAt <= now ? .idleTimeout : nil
    }
}
