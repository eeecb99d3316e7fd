import ApusCore

/// The place of one connection in the pool, from the start of its dial to its end.
///
/// The place is used again after that, for a connection with another number.
enum ConnectionSlot: Sendable {
    /// No connection. Exits: `.dialling`.
    case vacant
    /// A dial is in flight. Exits: `.open`; `.vacant` when the dial failed or was given up.
    case dialling(Dial)
    /// Takes exchanges while it has room. Exits: `.draining`, `.vacant`.
    case open(Open)
    /// Finishes its exchanges and takes no more. Exits: `.vacant`.
    case draining(Open, CloseReason)

    /// A dial in flight.
    struct Dial: Sendable {
        /// The waiters that a dial is made for.
        enum Purpose: Sendable {
            /// The connection serves any waiter. The one that is named fails if the dial fails;
            /// `nil` while no waiter depends on the dial, as when it was prewarmed.
            case shared(waiter: Int?)
            /// The connection serves this waiter first (`.fresh`, `.oneShot`).
            case own(waiter: Int)
        }

        /// The connection's number in its engine.
        let number: UInt64
        let route: Int
        let began: Int64
        /// The arrival of the last waiter that had come when the dial began.
        let lastArrival: UInt64
        var purpose: Purpose
        /// When the dial is given up if no waiter depends on it.
        var givenUpAt = Int64.never

        /// The waiter that alone may be the first to use the connection.
        var owner: Int? {
            if case .own(let waiter) = purpose { waiter } else { nil }
        }
    }

    /// An established connection.
    struct Open: Sendable {
        /// How many exchanges the connection carries at once, and how that is known.
        enum Sharing: Sendable {
            /// One at a time.
            case exclusive
            /// Several. The peer has not reported its limit, and `capacity` is a cautious guess.
            /// Exits: `.multiplexed`.
            case unreported
            /// Several, as many as the peer allows.
            case multiplexed
        }

        /// The list of its route that the connection is in.
        enum Listing: Sendable {
            /// None: it has no room, or drains.
            case none
            /// `RouteState.idle`, and the list of idle connections over all routes.
            case idle
            /// `RouteState.shared`: it carries exchanges and has room for more.
            case shared
        }

        let number: UInt64
        let route: Int
        var capacity: Int
        var sharing: Sharing
        /// The waiter that the connection was dialled for, until it is served.
        var owner: Int?
        /// Whether the peer may be dead: no new exchanges until it shows life.
        var isSuspect = false
        /// Whether the peer takes less than its exchanges have to send: new ones prefer others.
        var isCongested = false
        var listing = Listing.none
        /// The loop that it lives on; no more than a gap in the layout takes, since each change
        /// copies all of this.
        let loop: UInt16
        /// Exchanges that it was given so far.
        var carried = 0
        /// Exchanges in flight; more than `capacity` after the peer has lowered that.
        var exchanges = 0

        /// Whether it may take another exchange, while it is open.
        var hasRoom: Bool { exchanges < capacity && !isSuspect }
        /// Whether it counts towards the multiplexed connections that a route may grow to.
        var isUsableMultiplexed: Bool { sharing != .exclusive && !isSuspect }
        /// Whether it is one of those, and congested.
        var isCongestedMultiplexed: Bool { isUsableMultiplexed && isCongested }
        /// Whether waiters do better to wait for the peer's first limit than to dial.
        var isAwaited: Bool { sharing == .unreported && !isSuspect }
        /// The list where the connection belongs while it is open.
        var wantedListing: Listing { exchanges == 0 ? .idle : hasRoom ? .shared : .none }
    }
}

// MARK: - What is known in every state

extension ConnectionSlot {
    /// Whether the slot holds the connection with this number.
    @inline(__always)
    func holds(_ number: UInt64) -> Bool {
        switch self {
        case .vacant: false
        case .dialling(let dial): dial.number == number
        case .open(let connection), .draining(let connection, _): connection.number == number
        }
    }

    /// The number of the connection or dial.
    var number: UInt64 {
        switch self {
        case .vacant: preconditionFailure("a vacant slot has no number")
        case .dialling(let dial): dial.number
        case .open(let connection), .draining(let connection, _): connection.number
        }
    }

    /// The index of the route.
    var route: Int {
        switch self {
        case .vacant: preconditionFailure("a vacant slot has no route")
        case .dialling(let dial): dial.route
        case .open(let connection), .draining(let connection, _): connection.route
        }
    }

    /// The waiter that depends on the dial or connection; `nil` when none does.
    var waiter: Int? {
        switch self {
        case .vacant: nil
        case .dialling(let dial):
            switch dial.purpose {
            case .shared(let waiter): waiter
            case .own(let waiter): waiter
            }
        case .open(let connection), .draining(let connection, _): connection.owner
        }
    }

    /// The dial, while it is in flight.
    var dial: Dial? {
        if case .dialling(let dial) = self { dial } else { nil }
    }

    /// The connection, once it is established.
    var connection: Open? {
        switch self {
        case .vacant, .dialling: nil
        case .open(let connection), .draining(let connection, _): connection
        }
    }

    /// The list that the connection is in.
    var listing: Open.Listing {
        switch self {
        case .vacant, .dialling: .none
        case .open(let connection), .draining(let connection, _): connection.listing
        }
    }

    /// The list where the connection belongs; `nil` when it is in that list.
    var newListing: Open.Listing? {
        switch self {
        case .vacant, .dialling: nil
        case .open(let connection):
            connection.listing == connection.wantedListing ? nil : connection.wantedListing
        case .draining(let connection, _):
            connection.listing == .none ? nil : Open.Listing.none
        }
    }

    /// Exchanges in flight.
    var exchanges: Int {
        switch self {
        case .vacant, .dialling: 0
        case .open(let connection), .draining(let connection, _): connection.exchanges
        }
    }
}

// MARK: - Questions that concern one state

extension ConnectionSlot {
    var isOpen: Bool {
        if case .open = self { true } else { false }
    }

    /// Whether it may take another exchange.
    var hasRoom: Bool {
        if case .open(let connection) = self { connection.hasRoom } else { false }
    }

    /// Whether it counts towards the multiplexed connections that a route may grow to.
    var isUsableMultiplexed: Bool {
        if case .open(let connection) = self { connection.isUsableMultiplexed } else { false }
    }

    /// Whether it is one of those, and congested.
    var isCongestedMultiplexed: Bool {
        if case .open(let connection) = self { connection.isCongestedMultiplexed } else { false }
    }

    /// Whether waiters do better to wait for the peer's first limit than to dial.
    var isAwaited: Bool {
        if case .open(let connection) = self { connection.isAwaited } else { false }
    }

    /// Whether a dial is in flight that no waiter depends on.
    var isUnwantedDial: Bool {
        if case .dialling(let dial) = self, case .shared(nil) = dial.purpose { true } else { false }
    }

    /// Whether it is closed, or given up, when its time is over.
    var mayExpire: Bool {
        if case .open(let connection) = self { connection.listing == .idle } else { isUnwantedDial }
    }
}

// MARK: - Changes

extension ConnectionSlot {
    /// Changes the established connection, in place.
    @inline(__always)
    mutating func update(_ change: (inout Open) -> Void) {
        switch self {
        case .vacant, .dialling: preconditionFailure("no connection is established here")
        case .open(var connection):
            change(&connection)
            self = .open(connection)
        case .draining(var connection, let reason):
            change(&connection)
            self = .draining(connection, reason)
        }
    }

    /// The connection carries one more exchange.
    ///
    /// - Returns: how many it has carried so far, this one included.
    @inline(__always)
    mutating func exchangeBegan() -> Int {
        var carried = 0
        update {
            $0.exchanges += 1
            $0.carried += 1
            carried = $0.carried
        }
        return carried
    }

    /// One of the connection's exchanges is over.
    @inline(__always)
    mutating func exchangeEnded() {
        update {
            precondition($0.exchanges > 0, "release without a lease")
            $0.exchanges -= 1
        }
    }

    /// Changes the dial in flight.
    mutating func updateDial(_ change: (inout Dial) -> Void) {
        guard case .dialling(var dial) = self else { preconditionFailure("no dial is in flight") }
        change(&dial)
        self = .dialling(dial)
    }

    /// An established connection takes no more exchanges.
    mutating func drain(_ reason: CloseReason) {
        guard let connection else { preconditionFailure("no connection is established here") }
        self = .draining(connection, reason)
    }

    /// The waiter that depends on it has left; a dial of its own serves any waiter from now on.
    ///
    /// - Returns: whether it was such a dial.
    mutating func waiterLeft() -> Bool {
        guard case .dialling(let dial) = self else {
            update { $0.owner = nil }
            return false
        }
        updateDial { $0.purpose = .shared(waiter: nil) }
        if case .own = dial.purpose { return true }
        return false
    }
}
