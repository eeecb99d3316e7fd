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
