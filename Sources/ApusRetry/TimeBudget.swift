import Apus

/// What is left of a request's total timeout, for the next try or the next redirect.
package enum TimeBudget {
    /// The instant at which a timeout ends; `nil` when it is no limit, as
    /// `RequestOptions.unlimited`.
    package static func end(
        of timeout: Duration, from start: ContinuousClock.Instant
    ) -> ContinuousClock.Instant? {
        // Beyond a century it is no limit, and the sum must not overflow.
        timeout > .seconds(100 * 365 * 86400) ? nil : start.advanced(by: max(.zero, timeout))
    }

    /// The timeout for what follows at `now`; `nil` when the request has none, zero when its time
    /// is over.
    package static func left(
        of timeout: Duration?, from start: ContinuousClock.Instant, now: ContinuousClock.Instant
    ) -> Duration? {
        guard let timeout else { return nil }
        guard let end = end(of: timeout, from: start) else { return timeout }
        return max(.zero, end - now)
    }
}
