import ApusCore
import ApusHTTP2
import ApusSocket

// Whether a failed request is sent again, how often, and how.

/// How a request is sent the next time.
struct NextTry {
    var request: OutgoingRequest
    var reuse: RequestOptions.Reuse
    var amendments: Amendments
    var budget: ReplayBudget
    /// How often it was sent again so far.
    var replays = 0
    /// Since when it has waited without having been sent: `pool.acquireTimeout` counts from here.
    var waitsSince: Deadline

    init(_ request: OutgoingRequest, amendments: Amendments, started: Deadline) {
        self.request = request
        waitsSince = started
        reuse = request.reuse
        self.amendments = amendments
        budget = ReplayBudget(limit: request.limits.replays)
    }
}

/// How often one request may still be sent again.
///
/// A request that has not left, or that a peer in good order asks to go elsewhere (GOAWAY,
/// NO_ERROR), moves: that happens once per connection, not once per request. Such moves have a
/// bound of their own, so that a burst over connections that carry few requests each is served
/// whole. When moving brings nothing, there is a pause before each further move.
struct ReplayBudget {
    /// Times that one request may be moved from one connection to another.
    static let maxMoves = 16
    /// Moves in vain without a pause before the next connection.
    static let maxHastyMoves = 2

    private let limit: Int
    private var replays = 0
    private var moves = 0
    private var movesInVain = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// Takes one try off the budget; `false` when there is none left.
    ///
    /// - Parameter isMove: whether the request did not leave, by no fault of the connection's peer.
    mutating func take(for error: TransportError, isMove: Bool) -> Bool {
        guard isMove || error.isOrderlyMove else {
            replays += 1
            return replays <= limit
        }
        moves += 1
        if !error.toldOfProgress { movesInVain += 1 }
        // What was never sent is sent once, however often it moves.
        return moves <= Self.maxMoves && (limit > 0 || error.replay == .notSent)
    }

    /// The pause before the next connection: as long as those between failed dials.
    func pause(_ tuning: EngineTuning.Pool) -> Duration? {
        guard movesInVain > Self.maxHastyMoves, let first = tuning.dialBackoff else { return nil }
        return min(first * (1 << (movesInVain - Self.maxHastyMoves - 1)), tuning.maxDialBackoff)
    }
}

extension OutgoingRequest {
    /// Whether the failure proves that sending again does no harm.
    ///
    /// Where that is unclear, an idempotent request is sent again on one condition: its connection
    /// was used before and has ended without a word, as a peer ends one that it takes for idle.
    /// HTTP/2 has words for what was not acted on (GOAWAY, RST_STREAM): a peer that used them, and
    /// left this request out, may have acted on it.
    ///
    /// - Parameters:
    ///   - isSilent: whether the connection has ended without such a word.
    ///   - isLost: whether the system gave the connection up, so that a time-out is no deadline of
    ///     the request's.
    func mayReplay(after error: TransportError, isSilent: Bool, isLost: Bool) -> Bool {
        guard !error.demandsCalm else { return false }
        switch error.kind {
        case .reset, .truncated, .h2GoAway, .h2Stream: break
        case .timeout where isLost: break
        default: return false
        }
        switch error.replay {
        case .notSent, .refusedByPeer: return true
        case .unknown:
            return isSilent && error.isReused && error.bytesReceived == 0 && isIdempotent
        case .responseStarted: return false
        }
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

extension TransportError {
    /// What a request is sent again after when its expectation alone was refused (417).
    static func expectationRefused(by route: Route) -> TransportError {
        let refused = InvalidRequest(field: "expect", reason: "was refused by the peer (417)")
        var error = TransportError(
            .invalidRequest(refused), phase: .head, message: refused.description,
            replay: .refusedByPeer)
        error.route = route
        return error
    }

    /// Whether the peer serves the request over HTTP/1.1 alone (RFC 9113, section 7).
    var demandsHTTP1: Bool {
        http2Code == HTTP2ErrorCode.http11Required && replay != .responseStarted
    }

    /// Whether the peer complains about the load (ENHANCE_YOUR_CALM): the same again at once is
    /// what it does not want.
    fileprivate var demandsCalm: Bool { http2Code == HTTP2ErrorCode.enhanceYourCalm }

    fileprivate var isOrderlyMove: Bool {
        guard case .h2GoAway(code: HTTP2ErrorCode.noError, _, _) = kind else { return false }
        return replay == .notSent || replay == .refusedByPeer
    }

    /// Whether the connection has served others, so that asking again at once brings this request
    /// nearer to its turn.
    fileprivate var toldOfProgress: Bool {
        if case .h2GoAway(_, let last, _) = kind { last > 0 } else { false }
    }

    private var http2Code: UInt32? {
        switch kind {
        case .h2Stream(let code), .h2GoAway(let code, _, _): code
        default: nil
        }
    }
}

/// The routes of which one thing was learned from what their peers answered.
///
/// Unchecked, because `routes` is touched only with the lock held.
final class LearnedRoutes: @unchecked Sendable {
    /// The most that are remembered; beyond, the memory begins anew.
    static let maxRoutes = 1024

    private let lock = Lock()
    private var routes: Set<Route> = []

    func contains(_ route: Route) -> Bool {
        lock.withLock { !routes.isEmpty && routes.contains(route) }
    }

    func insert(_ route: Route) {
        lock.withLock {
            if routes.count >= Self.maxRoutes { routes.removeAll() }
            routes.insert(route)
        }
    }

    /// Forgets the routes that match; the predicate is called with no lock held.
    func forget(where matches: (Route) -> Bool) {
        let forgotten = lock.withLock { routes }.filter(matches)
        lock.withLock { routes.subtract(forgotten) }
    }
}

/// The routes whose peer wants HTTP/1.1 although ALPN chose HTTP/2.
final class HTTP1Routes: Sendable {
    private let routes = LearnedRoutes()

    /// The request as it is to be sent, given what its peer said before.
    func adapted(_ request: OutgoingRequest) -> OutgoingRequest {
        guard routes.contains(request.route) else { return request }
        return OutgoingRequest(request, versions: .http1Only(alpn: .http1))
    }

    /// Remembers the route of a request whose peer wants HTTP/1.1.
    ///
    /// - Returns: the request over HTTP/1.1; `nil` when its policy does not allow that.
    func demanded(by request: OutgoingRequest) -> OutgoingRequest? {
        guard request.route.versions == .automatic else { return nil }
        routes.insert(request.route)
        return OutgoingRequest(request, versions: .http1Only(alpn: .http1))
    }
}
