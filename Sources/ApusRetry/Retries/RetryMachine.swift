package import Apus

/// Decides after each try of a request whether there is another one, and after which wait.
///
/// It sends nothing and reads no clock.
package struct RetryMachine: Sendable {
    /// What follows a try.
    package enum Decision: Sendable, Hashable {
        /// The answer or the error is the caller's.
        case deliver(DeliveryReason)
        /// The next try begins after the wait.
        case sendAgain(after: Duration)
    }

    /// Why there is no other try.
    package enum DeliveryReason: Sendable, Hashable {
        /// The answer needs none.
        case answered
        /// The error is one that another try does not change.
        case hopeless
        /// The peer may have acted on the request, which is not idempotent.
        case inDoubt
        /// The body cannot be made again.
        case bodyConsumed
        /// Each try that the policy allows was made.
        case attemptsUsed
        /// The answer asks for a longer wait than the policy allows.
        case retryAfterTooLong
        /// The wait would end after the request's time.
        case noTimeLeft
    }

    /// What a request allows.
    package struct RequestFacts: Sendable, Hashable {
        package var isIdempotent: Bool
        package var isReplayable: Bool

        package init(isIdempotent: Bool, isReplayable: Bool) {
            self.isIdempotent = isIdempotent
            self.isReplayable = isReplayable
        }

        /// By method (RFC 9110, section 9.2.2), `Idempotency-Key` field, or option.
        package init(_ request: HTTPRequest, _ body: RequestBody, _ options: RequestOptions) {
            isReplayable = body.isReplayable
            switch request.method {
            case .get, .head, .options, .put, .delete, .trace: isIdempotent = true
            default:
                isIdempotent =
                    options.isIdempotent || request.headerFields.contains(idempotencyKey)
            }
        }
    }

    private let policy: RetryPolicy
    private let facts: RequestFacts
    /// The instant at which the last wait must have ended; `nil` is no limit.
    private let deadline: ContinuousClock.Instant?
    /// The tries that have ended.
    package private(set) var triesEnded = 0
    /// Whether a try may have been acted on.
    private var isInDoubt = false

    /// Creates a machine when the first try begins.
    package init(
        policy: RetryPolicy, facts: RequestFacts, start: ContinuousClock.Instant,
        totalTimeout: Duration?
    ) {
        self.policy = policy
        self.facts = facts
        let limit = [policy.maxTime, totalTimeout].compactMap(\.self).min()
        deadline = limit.flatMap { TimeBudget.end(of: $0, from: start) }
    }

    /// Takes the status of an answer.
    ///
    /// - Parameters:
    ///   - retryAfter: the wait that the answer asks for, if it does.
    ///   - jitter: a random number from 0 to 1; asked for once when there is a wait.
    package mutating func answered(
        status: Int, retryAfter: Duration?, now: ContinuousClock.Instant, jitter: () -> Double
    ) -> Decision {
        triesEnded += 1
        let isRefusal = policy.refusals.contains(status)
        guard isRefusal || policy.failures.contains(status) else { return .deliver(.answered) }
        if !isRefusal { isInDoubt = true }
        guard isRefusal || facts.isIdempotent else { return .deliver(.inDoubt) }
        if let retryAfter, retryAfter > max(.zero, policy.maxRetryAfter) {
            return .deliver(.retryAfterTooLong)
        }
        return next(atLeast: retryAfter ?? .zero, now: now, jitter: jitter)
    }

    /// Takes the error of a try.
    package mutating func failed(
        _ error: TransportError, now: ContinuousClock.Instant, jitter: () -> Double
    ) -> Decision {
        triesEnded += 1
        let isHarmless = !error.advice.isFinal
        if error.replay == .unknown { isInDoubt = true }
        guard !error.advice(forIdempotent: true).isFinal, error.mayPass else {
            return .deliver(.hopeless)
        }
        guard isHarmless || facts.isIdempotent else { return .deliver(.inDoubt) }
        return next(atLeast: .zero, now: now, jitter: jitter)
    }

    /// The verdict of an error as the caller gets it, which covers all tries and not only the last
    /// one.
    package func verdict(of last: TransportError.Replay) -> TransportError.Replay {
        switch last {
        case .notSent, .notReceived, .refusedByPeer: isInDoubt ? .unknown : last
        case .unknown, .responseStarted: last
        }
    }

    private func next(
        atLeast least: Duration, now: ContinuousClock.Instant, jitter: () -> Double
    ) -> Decision {
        guard facts.isReplayable else { return .deliver(.bodyConsumed) }
        guard triesEnded < policy.tries else { return .deliver(.attemptsUsed) }
        let bound = policy.bound(before: triesEnded + 1)
        let wait = max(least, policy.hasJitter ? bound * jitter() : bound)
        if let deadline, now.advanced(by: wait) >= deadline { return .deliver(.noTimeLeft) }
        return .sendAgain(after: wait)
    }
}

extension TransportError.Advice {
    /// Whether the request must not be sent again.
    var isFinal: Bool { self == .callerAtFault || self == .givenUp }
}

extension TransportError {
    /// Whether the same place may succeed later: a host that was down may, a certificate that was
    /// refused may not.
    fileprivate var mayPass: Bool {
        switch kind {
        case .tlsVerify, .malformed, .tooLarge, .h2Abuse, .dns(isTemporary: false): false
        case .proxyStatus(let status): status == 429 || status >= 500
        default: true
        }
    }
}

/// Of the draft "The Idempotency-Key HTTP Header Field", as APIs use it for POST.
private let idempotencyKey = HTTPField.Name(known: "Idempotency-Key")
