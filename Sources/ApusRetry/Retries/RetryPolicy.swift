import Apus

/// What is sent again, how often, and after which wait.
///
/// A request is sent again only where its body can be made again (`RequestBody.isReplayable`) and
/// only before any byte of a response was given to the caller. Where the peer may have acted on a
/// try, the request must be idempotent too: by its method (RFC 9110, section 9.2.2), by an
/// `Idempotency-Key` field or by `RequestOptions.isIdempotent`.
public struct RetryPolicy: Sendable, Hashable {
    /// The most tries of a request, the first included; 3 by default, at least 1, at most 100.
    public var attempts = 3
    /// The bound of the first wait; 100 ms by default.
    ///
    /// It doubles for each further wait, up to `maxBackoff`. A wait is a random part of its bound
    /// ("full jitter"), so that many callers do not try again at the same instant.
    public var backoff = Duration.milliseconds(100)
    /// The longest wait without `Retry-After`; 10 s by default.
    public var maxBackoff = Duration.seconds(10)
    /// Whether a wait is a random part of its bound; `true` by default, `false` waits the whole
    /// bound.
    public var hasJitter = true
    /// The longest `Retry-After` that is waited for; 60 s by default.
    ///
    /// An answer that asks for more is returned at once, because a try before the time that the
    /// peer named is in vain.
    public var maxRetryAfter = Duration.seconds(60)
    /// The time from the call after which no further try begins; `nil`, the default, is no limit.
    ///
    /// `RequestOptions.totalTimeout` is a limit of its own: it covers all tries and the body.
    public var maxTime: Duration?
    /// Statuses after which a request is sent again, whatever its method, because they report that
    /// the peer did not act on it; 429, 503 and 529 by default.
    public var refusals: Set<Int> = [429, 503, 529]
    /// Statuses after which a request is sent again if it is idempotent; 502 and 504 by default.
    public var failures: Set<Int> = [502, 504]

    /// Creates the default policy.
    public init() {}

    /// Whether an answer of this status may be followed by another try.
    package func mayRepeat(_ status: Int) -> Bool {
        // Most answers are a success, and need no look into a set.
        status >= 300 && (refusals.contains(status) || failures.contains(status))
    }

    /// The most tries, within their limits.
    package var tries: Int { min(max(1, attempts), RetryPolicy.maxAttempts) }

    /// The most tries that a policy can ask for.
    package static let maxAttempts = 100

    /// The bound of the wait before try number `next`, the first further try being 2.
    package func bound(before next: Int) -> Duration {
        backoff.doubled(next - 2, upTo: maxBackoff)
    }
}
