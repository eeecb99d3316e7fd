import ApusCore

/// One connection as the pool sees it, from its dial to its end; the slot is then used again.
struct ConnectionSlot: Sendable {
    /// How far the connection's life has come.
    enum Phase: Sendable {
        /// Nobody's. Exits: `.dialling`.
        case vacant
        /// On its way. Exits: `.open`, `.vacant` when the dial failed.
        case dialling
        /// Takes exchanges while it has room. Exits: `.draining`, `.vacant`.
        case open
        /// Finishes what it carries and takes no more. Exits: `.vacant`.
        case draining
    }

    /// Which list of its route the connection is in.
    enum Listing: Sendable {
        /// None: it has no room, or is not open.
        case none
        /// `RouteState.idle`, and the list of idle connections over all routes.
        case idle
        /// `RouteState.shared`: it carries exchanges and has room for more.
        case shared
    }

    var phase = Phase.vacant
    var listing = Listing.none
    /// The connection's number; 0 when the slot is nobody's.
    var number: UInt64 = 0
    var route = IndexLinks.none
    /// Who the connection is being made for; `none` when any waiter will do.
    var waiter = IndexLinks.none
    /// The arrival of the last caller who had come when the dial began.
    var lastArrival: UInt64 = 0
    /// Whether `waiter` alone may be the first to use it (`.fresh`, `.oneShot`).
    var isOwn = false
    /// Established for more than one exchange at once.
    var isMultiplexed = false
    /// The peer may be dead: no new exchanges until it shows life.
    var isSuspect = false
    /// The peer has not said yet how many exchanges it allows; `capacity` is a cautious guess.
    var isUnheard = false
    /// Its place in the order in which connections were established, from 1.
    var order: UInt64 = 0
    /// Exchanges that it was given so far.
    var carried = 0
    var capacity = 0
    /// Exchanges in flight.
    ///
    /// Invariant: 0 unless open or draining; may exceed a capacity that was lowered.
    var exchanges = 0
    /// Why it drains.
    var reason = CloseReason.evicted
    /// When the dial began, then when the connection was established; in nanoseconds, like all
    /// instants here: the arithmetic of `Duration` costs more than a lease.
    var since: Int64 = 0
    /// The route's failures in a row before the connection was established.
    var failuresBefore = 0
    /// When the last exchange ended.
    var idleSince: Int64 = 0
    /// When it was last taken out of its idleness; before `idleSince` when a waiter got it at once.
    var idleUntil: Int64 = 0
    /// How long it may be idle; `never` for ever.
    var idleLimit = ConnectionSlot.never
    /// When it is too old for another exchange; when a dial that nobody waits for is given up.
    var retiresAt = ConnectionSlot.never

    /// Later, and longer, than everything.
    static let never = Int64.max

    /// Whether it may take another exchange.
    var hasRoom: Bool { phase == .open && exchanges < capacity && !isSuspect }
    /// Whether it is on its way for nobody; what was prewarmed is, too.
    var isUnwanted: Bool { phase == .dialling && waiter == IndexLinks.none }
    /// Whether its time counts.
    var mayExpire: Bool { listing == .idle || isUnwanted }
    /// Whether it counts towards the multiplexed connections that a route may grow to.
    var isUsableMultiplexed: Bool { isMultiplexed && phase == .open && !isSuspect }
    /// Whether waiters do better to wait for the peer's word on this connection than to dial.
    var isAwaited: Bool { isUnheard && isUsableMultiplexed }
    /// The list where it belongs.
    var wantedListing: Listing {
        guard phase == .open else { return .none }
        return exchanges == 0 ? .idle : hasRoom ? .shared : .none
    }

    /// Notes what a dial has made.
    mutating func isEstablished(
        at now: Int64, _ capacity: Int, _ isShared: Bool?, _ isHeard: Bool
    ) {
        self.capacity = capacity
        isMultiplexed = isShared ?? (capacity != 1)
        isUnheard = !isHeard
        since = now
        idleSince = now
    }

    /// When an idle connection is to be closed.
    var expiresAt: Int64 {
        min(idleSince.later(by: idleLimit), retiresAt)
    }

    /// Why a connection is past its time; `nil` when it is not.
    func expiry(_ now: Int64) -> CloseReason? {
        if retiresAt <= now { return phase == .dialling ? .cancelled : .lifetime }
        return exchanges == 0 && expiresAt <= now ? .idleTimeout : nil
    }
}

extension Int64 {
    /// An instant so much later, or the last there is.
    func later(by duration: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(duration)
        return overflow ? ConnectionSlot.never : sum
    }
}
