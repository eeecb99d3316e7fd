public import Apus

/// A transport that sends a request again after a failure or an answer that a later try may change.
///
/// It reads the verdict of each error (`TransportError.advice`) and the status of each answer, and
/// sends again only what can do no harm: see `RetryPolicy`. It decides before the caller gets the
/// response, so a body that fails later is the caller's. An answer that is given up is dropped, so
/// that an engine reads its rest within `limits.drainBytes` and reuses the connection, or ends the
/// exchange. `RequestOptions.totalTimeout` covers all tries: each gets what is left, and a wait
/// that would end after it is not begun. Cancellation ends a wait at once.
///
/// `Response.info.tries` and `TransportError.tries` list the tries when there were several, and the
/// verdict of an error covers all of them.
public struct Retrying: HTTPTransport {
    private let transport: any HTTPTransport
    private let policy: RetryPolicy
    private let budget: RetryBudget?
    private let clock: RetryClock
    private let random: @Sendable () -> Double

    /// Creates a transport around another.
    ///
    /// - Parameters:
    ///   - transport: sends each try.
    ///   - policy: what is sent again; the default policy by default.
    ///   - budget: the bound over all requests, which transports may share; one of its own by
    ///     default, `nil` for none.
    ///   - clock: the time; the system's by default.
    ///   - random: returns a random number from 0 to 1 for each wait; the system's by default.
    public init(
        _ transport: any HTTPTransport, policy: RetryPolicy = RetryPolicy(),
        budget: RetryBudget? = RetryBudget(), clock: RetryClock = RetryClock(),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        self.transport = transport
        self.policy = policy
        self.budget = budget
        self.clock = clock
        self.random = random
    }

    /// Sends a request, again where the policy allows it.
    ///
    /// - Throws: `TransportError` of the last try; of kind `cancelled` when a wait was cancelled.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        budget?.deposit()
        let start = clock.now()
        // The only reference to the outcome, so that `judge` can release it before a wait.
        var last: Outcome? = await Outcome.of(transport, request, body, options)
        if case .answer(let response)? = last, !policy.mayRepeat(response.status.code) {
            return response
        }
        return try await again(&last, since: start, request, body, options)
    }

    /// Takes the outcome of the first try, and makes the others.
    ///
    /// Not inlined: a request that needs one try has no frame for this.
    @inline(never)
    private func again(
        _ last: inout Outcome?, since start: ContinuousClock.Instant, _ request: HTTPRequest,
        _ body: RequestBody, _ options: RequestOptions
    ) async throws(TransportError) -> Response {
        var progress = Progress(
            machine: RetryMachine(
                policy: policy, facts: RetryMachine.RequestFacts(request, body, options),
                start: start, totalTimeout: options.totalTimeout),
            began: start)
        var options = options
        let timeout = options.totalTimeout
        // The machine ends this loop: the tries of a policy are bounded.
        while true {
            switch judge(&last, &progress) {
            case .deliver(let outcome): return try outcome.get()
            case .wait(let end): try await wait(until: end, progress)
            }
            let now = clock.now()
            progress.pause = now - progress.began
            progress.began = now
            options.totalTimeout = TimeBudget.left(of: timeout, from: start, now: now)
            last = await Outcome.of(transport, request, body, options)
        }
    }

    /// What the tries of a request have come to.
    private struct Progress {
        var machine: RetryMachine
        var tries: [Try] = []
        /// When the current try began; during a wait, when the last one ended.
        var began: ContinuousClock.Instant
        /// The wait before the current try.
        var pause = Duration.zero
    }

    /// What follows a try.
    private enum Step {
        case deliver(Outcome)
        case wait(until: ContinuousClock.Instant)
    }

    /// Takes the outcome of a try; when another one follows, the outcome is released here, before
    /// the wait.
    private func judge(_ last: inout Outcome?, _ progress: inout Progress) -> Step {
        let outcome = last.takeLast()
        let now = clock.now()
        let decision: RetryMachine.Decision
        switch outcome {
        case .answer(let response):
            let wallTime = clock.wallTime()
            decision = progress.machine.answered(
                status: response.status.code,
                retryAfter: RetryAfter(response.head, now: wallTime)?.delay(now: wallTime),
                now: now, jitter: random)
        case .failure(let error):
            decision = progress.machine.failed(error, now: now, jitter: random)
        }
        progress.tries += outcome.tries(pause: progress.pause, duration: now - progress.began)
        if case .sendAgain(let wait) = decision, budget?.withdraw(now: now) ?? true {
            progress.began = now
            return .wait(until: now.advanced(by: wait))
        }
        return .deliver(outcome.adding(progress.tries, verdict: progress.machine.verdict))
    }

    private func wait(
        until end: ContinuousClock.Instant, _ progress: Progress
    ) async throws(TransportError) {
        do {
            try Task.checkCancellation()
            try await clock.sleep(end)
        } catch {
            var failure = TransportError(
                .cancelled, phase: .pool, message: "cancelled during the wait for the next try",
                replay: progress.machine.verdict(of: .refusedByPeer))
            failure.tries = progress.tries
            throw failure
        }
    }
}
