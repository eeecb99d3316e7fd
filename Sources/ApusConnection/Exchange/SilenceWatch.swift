package import ApusCore

/// How long the peer may be silent while its body is awaited: the judge of `readIdleTimeout`.
///
/// Silence begins with the last sign of life: the head, a piece of the body, or the consumer that
/// takes the last piece at hand, because until then no caller waited for the peer. The timer that
/// asks may come at any time; its answers say when to ask next, so one timer serves a whole
/// response.
package struct SilenceWatch: Sendable {
    /// What the silence amounts to.
    package enum Verdict: Sendable, Hashable {
        /// The time is over.
        case isOver
        /// It may be over then, and not before.
        case lasts(until: Deadline)
    }

    private let timeout: Duration
    /// `nil` until the head has come.
    private var lastSign: Deadline?

    package init(timeout: Duration) {
        self.timeout = timeout
    }

    /// Since when the peer is silent; `nil` before the first sign of life.
    package var since: Deadline? { lastSign }

    package mutating func signOfLife(now: Deadline) {
        lastSign = now
    }

    /// Judges the silence; `isReading` says whether the peer is awaited, and not the consumer.
    package func deadlineReached(now: Deadline, isReading: Bool) -> Verdict {
        // The silence begins later than now, and ends a whole timeout after that.
        guard isReading, let lastSign else { return .lasts(until: now.advanced(by: timeout)) }
        let end = lastSign.advanced(by: timeout)
        return end <= now ? .isOver : .lasts(until: end)
    }
}
