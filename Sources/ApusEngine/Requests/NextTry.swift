import ApusConnection
import ApusCore
import ApusSocket

/// A request on its way through its tries: how it is sent the next time.
///
/// An object, so that the frame of a request that waits holds one reference.
final class NextTry {
    /// What its caller made; no try changes it.
    let request: OutgoingRequest
    /// When its caller asked.
    let started: Deadline
    /// Its story for an observer; `nil` without one.
    let story: ExchangeStory?
    /// The request's, or the same over HTTP/1.1 where the peer demands that.
    @exclusivity(unchecked) private(set) var route: Route
    @exclusivity(unchecked) private(set) var reuse: RequestOptions.Reuse
    @exclusivity(unchecked) private(set) var amendments: Amendments
    @exclusivity(unchecked) private var budget: ReplayBudget
    /// Whether hardly any time has passed since its caller asked.
    @exclusivity(unchecked) private var isAtStart: Bool
    /// How often it was sent again so far.
    @exclusivity(unchecked) private(set) var replays = 0
    /// Whether the peer may have acted on a try before this one.
    @exclusivity(unchecked) private(set) var mayHaveBeenActedOn = false
    /// Since when it has waited without having been sent: `pool.acquireTimeout` counts from here.
    @exclusivity(unchecked) private(set) var waitsSince: Deadline

    init(
        _ request: OutgoingRequest, over route: Route, amendments: Amendments, started: Deadline,
        story: ExchangeStory?
    ) {
        self.request = request
        self.started = started
        self.story = story
        self.route = route
        waitsSince = started
        reuse = request.reuse
        self.amendments = amendments
        budget = ReplayBudget(limit: request.limits.replays)
        // A body that was said to be empty was heard out before.
        isAtStart = !(request.body.isEmpty && request.holdsBody)
    }

    /// When the connection is asked for: at first that is when the request began.
    func leaseInstant() -> Deadline {
        defer { isAtStart = false }
        return isAtStart ? started : .now()
    }

    /// Takes one try off the budget; `false` when there is none left.
    func takeOffBudget(for error: TransportError, isMove: Bool) -> Bool {
        budget.take(for: error, isMove: isMove)
    }

    /// The pause before the next connection is asked for; `nil` is none.
    func pause(_ tuning: EngineTuning.Pool) -> Duration? { budget.pause(tuning) }

    /// The next try is without the expectation.
    func omitExpectation() {
        amendments.omitsExpectation = true
    }

    /// The next try brings the proxy what it has asked for.
    func authorize(by value: String) {
        amendments.proxyAuthorization = value
    }

    /// The last try was answered, and the next one begins to wait now.
    func wasAnswered() {
        waitsSince = .now()
    }

    /// Notes, and reports, that the request is sent again after this error.
    func isRepeated(after error: TransportError) {
        replays += 1
        if error.replay == .unknown { mayHaveBeenActedOn = true }
        story?.replayed(after: error)
    }

    /// Notes the same of a request that goes on over `route`.
    ///
    /// - Parameter dials: whether it gets a connection of its own.
    func goesOn(over route: Route, after error: TransportError, dials: Bool) {
        self.route = route
        isRepeated(after: error)
        if error.replay != .notSent { waitsSince = .now() }
        if dials { reuse = reuse.dialled }
    }

    /// The error of the last try as the error of the request: what a peer may have done with an
    /// earlier try is unknown still.
    func failure(_ error: TransportError) -> TransportError {
        guard mayHaveBeenActedOn, error.replay.isHarmless else { return error }
        var error = error
        error.replay = .unknown
        return error
    }
}

extension RequestOptions.Reuse {
    /// The same with a connection of the request's own.
    var dialled: RequestOptions.Reuse {
        switch self {
        case .pooled: .fresh
        case .pooledThenClosed: .oneShot
        case .fresh, .oneShot: self
        }
    }
}
