public import Apus
import Synchronization

/// A transport that sends a request with one of several choices, and with the next one after a
/// failure that is the choice's own.
///
/// A choice is put aside for a while after a status in `RotationPolicy.limited` or `.refused`, and
/// after an error of its own with the advice `sendAgainElsewhere`; the request is then sent at once
/// with the next choice. After other errors that allow another try it moves on too, but nothing is
/// put aside. An error is never a fault of a credential: it is thrown.
///
/// A request moves on only where its body can be made again and the verdict allows it. It is sent
/// at most `RotationPolicy.limit` times, and never again to a choice that it has tried or that is
/// put aside: then the last answer or error is returned. `RequestOptions.totalTimeout` covers all
/// tries.
///
/// It never waits. `Retrying(Rotating(...))` waits between rounds over the choices, each round with
/// those that are healthy by then. `Response.info.tries` and `TransportError.tries` list the tries
/// with the names of their choices.
public final class Rotating: HTTPTransport {
    private let choices: [Choice]
    private let transport: any HTTPTransport
    private let policy: RotationPolicy
    private let clock: RetryClock
    private let machine: Mutex<RotationMachine>

    /// The most choices of a rotation.
    public static let maxChoices = 10_000

    /// Creates a transport over choices.
    ///
    /// - Parameters:
    ///   - choices: from 1 to `maxChoices`.
    ///   - transport: sends the tries of choices without a transport of their own.
    ///   - policy: the order, and what puts a choice aside; the default policy by default.
    ///   - clock: the time; the system's by default.
    /// - Throws: `InvalidTuning` when there are too few or too many choices.
    public init(
        over choices: [Choice], _ transport: any HTTPTransport,
        policy: RotationPolicy = RotationPolicy(), clock: RetryClock = RetryClock()
    ) throws(InvalidTuning) {
        guard (1...Rotating.maxChoices).contains(choices.count) else {
            throw InvalidTuning(
                field: "choices", reason: "\(choices.count) is not in 1...\(Rotating.maxChoices)")
        }
        self.choices = choices
        self.transport = transport
        self.policy = policy
        self.clock = clock
        machine = Mutex(RotationMachine(count: choices.count, policy: policy))
    }

    /// The health of a choice.
    public struct State: Sendable, Hashable {
        /// The name of the choice.
        public let name: String
        /// Failures since the last success.
        public let failures: Int
        /// How long it is still put aside; `nil` when it is not.
        public let asideFor: Duration?

        package init(name: String, failures: Int, asideFor: Duration?) {
            self.name = name
            self.failures = failures
            self.asideFor = asideFor
        }
    }

    /// The health of each choice, in their order.
    public func state() -> [State] {
        let now = clock.now()
        let health = machine.withLock(\.health)
        return zip(choices, health).map { choice, health in
            State(
                name: choice.name, failures: health.failures,
                asideFor: health.asideUntil.flatMap { now < $0 ? $0 - now : nil })
        }
    }

    /// Sends a request with the next choice, and with others where that helps.
    ///
    /// - Throws: `TransportError` of the last try; of kind `overloaded` when each choice is put
    ///   aside and the policy says so.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        var round = Round(
            facts: RetryMachine.RequestFacts(request, body, options), start: clock.now())
        guard let first = try firstChoice(round.start) else {
            preconditionFailure("a rotation has a choice")
        }
        var index = first
        while true {
            round.tried.append(index)
            let began = clock.now()
            var (request, amended) = (request, options)
            amended.totalTimeout = TimeBudget.left(
                of: options.totalTimeout, from: round.start, now: began)
            choices[index].amend(&request, &amended)
            var last: Outcome? = await Outcome.of(
                choices[index].transport ?? transport, request, body, amended)
            switch judge(&last, index, began: began, &round) {
            case .deliver(let outcome): return try outcome.get()
            case .next(let next): index = next
            }
        }
    }

    /// What a request has come to.
    private struct Round {
        let facts: RetryMachine.RequestFacts
        let start: ContinuousClock.Instant
        /// The choices that were tried, the current one last.
        var tried: [Int] = []
        var tries: [Try] = []
        /// Whether a try may have been acted on.
        var isInDoubt = false
    }

    /// What follows a try.
    private enum Step {
        case deliver(Outcome)
        case next(Int)
    }

    private func firstChoice(_ now: ContinuousClock.Instant) throws(TransportError) -> Int? {
        switch machine.withLock({ $0.nextChoice(except: [], now: now) }) {
        case .healthy(let index): return index
        case .aside(let index, let until):
            guard policy.exhaustion == .fail else { return index }
            let seconds = (until - now).components.seconds + 1
            throw TransportError(
                .overloaded, phase: .pool,
                message: "each choice is put aside, the next one for \(seconds) s more")
        case .none: return nil
        }
    }

    /// Takes the outcome of a try; when another one follows, the outcome is released here.
    private func judge(
        _ last: inout Outcome?, _ index: Int, began: ContinuousClock.Instant, _ round: inout Round
    ) -> Step {
        guard let outcome = last.take() else { preconditionFailure("a try ends with an outcome") }
        let now = clock.now()
        let isWorthMoving = settle(outcome, index, now, &round)
        round.tries += outcome.tries(
            pause: .zero, duration: now - began, choice: choices[index].name)
        if isWorthMoving, round.facts.isReplayable, round.tried.count < policy.tries,
            case .healthy(let next) = machine.withLock({
                $0.nextChoice(except: round.tried, now: now)
            })
        {
            return .next(next)
        }
        let isInDoubt = round.isInDoubt
        return .deliver(
            outcome.adding(round.tries) { last in
                isInDoubt && last != .responseStarted ? .unknown : last
            })
    }

    /// Reports an outcome to the machine.
    ///
    /// - Returns: whether another choice may do better, and may be tried.
    private func settle(
        _ outcome: Outcome, _ index: Int, _ now: ContinuousClock.Instant, _ round: inout Round
    ) -> Bool {
        switch outcome {
        case .answer(let response):
            let status = response.status.code
            var wait: Duration?
            if status >= 300 {
                let wallTime = clock.wallTime()
                wait = RetryAfter(response.head, now: wallTime)?.delay(now: wallTime)
            }
            let verdict = machine.withLock {
                $0.answered(index, status: status, retryAfter: wait, now: now)
            }
            return verdict == .elsewhere
        case .failure(let error):
            if error.replay == .unknown { round.isInDoubt = true }
            guard choices[index].letsOthersTry else { return false }
            // The choice is at fault whether or not this request may be sent again.
            if choices[index].isAtFault(for: error),
                error.advice(forIdempotent: true) == .sendAgainElsewhere
            {
                machine.withLock { $0.failed(index, now: now) }
            }
            return !error.advice(forIdempotent: round.facts.isIdempotent).isFinal
        }
    }
}
