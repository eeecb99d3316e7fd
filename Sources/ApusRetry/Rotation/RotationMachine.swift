/// Decides which choice is used next, and how long each one is put aside.
///
/// It sends nothing and reads no clock.
package struct RotationMachine: Sendable {
    /// The health of one choice.
    package struct Health: Sendable, Hashable {
        /// Failures since the last success.
        package var failures = 0
        /// The end of the pause; `nil` when there was none.
        package var asideUntil: ContinuousClock.Instant?

        package init() {}
    }

    /// The next choice.
    package enum Pick: Sendable, Hashable {
        /// A choice that is not put aside.
        case healthy(Int)
        /// Each choice that was not tried is put aside; this one returns first, at that instant.
        case aside(Int, until: ContinuousClock.Instant)
        /// Each choice was tried.
        case none
    }

    /// What an answer means for the choice that it came through.
    package enum Verdict: Sendable, Hashable {
        /// It is the caller's.
        case deliver
        /// The choice was put aside, and another one may give a better answer.
        case elsewhere
    }

    package private(set) var health: [Health]
    private let policy: RotationPolicy
    /// Where the next request begins with `roundRobin`.
    private var cursor = 0

    /// Creates a machine for a number of choices, all healthy.
    package init(count: Int, policy: RotationPolicy) {
        health = Array(repeating: Health(), count: count)
        self.policy = policy
    }

    /// Picks the choice for a try.
    ///
    /// - Parameter tried: the choices that this request has tried; few.
    package mutating func nextChoice(
        except tried: [Int], now: ContinuousClock.Instant
    ) -> Pick {
        let start = policy.order == .roundRobin ? cursor : 0
        var soonest: (index: Int, until: ContinuousClock.Instant)?
        for offset in 0..<health.count {
            let index = (start + offset) % health.count
            guard !tried.contains(index) else { continue }
            if let until = health[index].asideUntil, now < until {
                if soonest.map({ until < $0.until }) ?? true { soonest = (index, until) }
                continue
            }
            if tried.isEmpty { cursor = (index + 1) % health.count }
            return .healthy(index)
        }
        return soonest.map { .aside($0.index, until: $0.until) } ?? .none
    }

    /// Takes the status of an answer.
    ///
    /// - Parameter retryAfter: the wait that the answer asks for, if it does.
    package mutating func answered(
        _ index: Int, status: Int, retryAfter: Duration?, now: ContinuousClock.Instant
    ) -> Verdict {
        guard status >= 300 else {
            if health[index].failures > 0 || health[index].asideUntil != nil {
                health[index] = Health()
            }
            return .deliver
        }
        if policy.limited.contains(status) {
            let pause = retryAfter.map { min($0, policy.maxRetryAfter) }
            putAside(index, for: pause, now: now)
            return .elsewhere
        }
        if policy.refused.contains(status) {
            putAside(index, for: policy.refusalPause, now: now)
            return .elsewhere
        }
        return .deliver
    }

    /// Takes a failure that is the choice's own, such as a proxy that refuses.
    package mutating func failed(_ index: Int, now: ContinuousClock.Instant) {
        putAside(index, for: nil, now: now)
    }

    private mutating func putAside(
        _ index: Int, for pause: Duration?, now: ContinuousClock.Instant
    ) {
        health[index].failures = min(health[index].failures + 1, 1000)
        let end = now.advanced(by: pause ?? policy.pause(after: health[index].failures))
        // A shorter pause, of a request that began earlier, does not end a longer one.
        health[index].asideUntil = max(end, health[index].asideUntil ?? end)
    }
}
