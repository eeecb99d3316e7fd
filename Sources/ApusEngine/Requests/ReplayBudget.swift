import ApusConnection
import ApusCore
import ApusHTTP2

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

extension TransportError {
    fileprivate var isOrderlyMove: Bool {
        guard case .h2GoAway(code: HTTP2ErrorCode.noError, _, _) = kind else { return false }
        return replay == .notSent || replay == .refusedByPeer
    }

    /// Whether the connection has served others, so that asking again at once brings this request
    /// nearer to its turn.
    fileprivate var toldOfProgress: Bool {
        if case .h2GoAway(_, let last, _) = kind { last > 0 } else { false }
    }
}
