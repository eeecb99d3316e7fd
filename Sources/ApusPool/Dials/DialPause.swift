/// The pause between failed dials of one route: it grows with each, and the first dial has none.
///
/// A peer that was reached and asks for calm leads to the same pause. No dial has failed then, so
/// there is no error with which a request could fail at once.
struct DialPause: Sendable {
    /// How long a pause is.
    struct Limits: Sendable {
        /// The first pause, in nanoseconds; `nil` is off.
        let first: Int64?
        /// What a pause may grow to, in nanoseconds.
        let most: Int64
    }

    /// What leads to a pause.
    enum Cause: Sendable {
        /// A dial has failed.
        case failure
        /// A peer has asked for calm.
        case calm
    }

    /// Failures in a row; dials that ran at the same time count once.
    private(set) var failures = 0
    /// When the next dial may start; `nil` is at once.
    private(set) var end: Int64?
    /// What led to the last pause.
    private(set) var cause = Cause.failure
    /// When the last failure was.
    private var failedAt = Int64.min
    /// When a dial last succeeded.
    private var succeededAt = Int64.min

    /// Whether the pause is not over.
    func lasts(at now: Int64) -> Bool { end.map { now < $0 } ?? false }

    /// Whether the pause is not over, and follows a dial that failed.
    func followsFailure(at now: Int64) -> Bool { lasts(at: now) && cause == .failure }

    /// Notes a failure: of a dial that began at `began`, or of a connection that was established
    /// then, after `before` failures in a row.
    ///
    /// Dials that ran at the same time are one failure. A dial that began before another one
    /// succeeded shows nothing about the next dial.
    ///
    /// - Parameter chance: ten bits; the pause is up to a half shorter by them, so that engines
    ///   which failed together do not dial together.
    /// - Returns: when the pause ends; `nil` when there is none, or it was known before.
    mutating func failed(
        _ cause: Cause, began: Int64, before: Int, now: Int64, _ limits: Limits, chance: UInt64
    ) -> Int64? {
        guard let first = limits.first, failures == 0 || began > failedAt else { return nil }
        guard cause == .calm || began >= succeededAt else { return nil }
        failures = min(max(failures, before) + 1, 32)
        failedAt = now
        self.cause = cause
        let (grown, overflow) = first.multipliedReportingOverflow(by: 1 << Int64(failures - 1))
        let pause = overflow ? limits.most : min(grown, limits.most)
        end = now.later(by: pause - pause / 2 / 1024 * Int64(chance & 1023))
        return end
    }

    /// A dial of the route succeeded: its failures are forgotten.
    mutating func succeeded(_ now: Int64) {
        forget()
        succeededAt = now
    }

    /// Ends the pause, and the row of failures.
    mutating func forget() {
        failures = 0
        end = nil
    }

    /// The cause of the failure may be gone: the next dial need not wait.
    ///
    /// A pause that the peer asked for stays.
    mutating func retry() {
        if cause == .failure { forget() }
    }

    /// Ends a pause whose time is over; when it goes on, its end is returned.
    mutating func rest(at now: Int64) -> Int64? {
        if !lasts(at: now) { end = nil }
        return end
    }
}

// MARK: - In the pool

extension PoolMachine {
    /// Delays the route's next dial.
    mutating func holdBack(_ slot: Int, _ cause: DialPause.Cause, _ now: Int64) {
        let route = slots[slot].route
        let mayHold = routes[route].pause.end != nil || backoffs.count < PoolMachine.maxHeldRoutes
        guard !isShutDown, mayHold else { return }
        let dial = slots[slot].dial
        let end = routes[route].pause.failed(
            cause, began: dial?.began ?? times[slot].establishedAt,
            before: dial == nil ? times[slot].failuresBefore : 0, now: now, limits.pause,
            chance: bits(of: id(slot)) >> 54)
        if let end { backoffs.schedule(route, by: end) }
    }

    /// Lets routes dial again after their pause, or forgets them.
    mutating func endPauses(_ now: Int64, _ actions: inout PoolActions) {
        while let route = backoffs.popDue(now) {
            // The heap may know an earlier pause of this route, or of one before it.
            if let end = routes[route].pause.rest(at: now) {
                backoffs.schedule(route, by: end)
            } else {
                tidy(route, now, &actions)
            }
        }
    }

    /// Whether the route's pause is not over.
    func isHeld(_ route: Int, _ now: Int64) -> Bool { routes[route].pause.lasts(at: now) }
}
