import ApusConnection
import ApusCore

/// How a request is sent the next time.
struct NextTry {
    /// What its caller made; no try changes it.
    let request: OutgoingRequest
    /// The request's, or the same over HTTP/1.1 where the peer demands that.
    var route: Route
    var reuse: RequestOptions.Reuse
    var amendments: Amendments
    var budget: ReplayBudget
    /// How often it was sent again so far.
    var replays = 0
    /// Whether the peer may have acted on a try before this one.
    private(set) var mayHaveBeenActedOn = false
    /// Since when it has waited without having been sent: `pool.acquireTimeout` counts from here.
    var waitsSince: Deadline

    init(
        _ request: OutgoingRequest, over route: Route, amendments: Amendments, started: Deadline
    ) {
        self.request = request
        self.route = route
        waitsSince = started
        reuse = request.reuse
        self.amendments = amendments
        budget = ReplayBudget(limit: request.limits.replays)
    }

    /// Notes that the request is sent again after this error.
    mutating func isRepeated(after error: TransportError) {
        replays += 1
        if error.replay == .unknown { mayHaveBeenActedOn = true }
    }

    /// The error of the last try as the error of the request: what a peer may have done with an
    /// earlier try is unknown still.
    func failure(_ error: TransportError) -> TransportError {
        guard mayHaveBeenActedOn, error.replay == .notSent || error.replay == .refusedByPeer else {
            return error
        }
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
