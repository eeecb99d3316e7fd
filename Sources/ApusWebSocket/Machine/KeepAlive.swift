/// Decides when to ping a silent peer, and when it is dead (RFC 6455, section 5.5.2).
///
/// Any byte is a sign of life. Silence after a ping counts only while a read waits: a caller that
/// does not read leaves the answer in the socket.
package struct KeepAlive: Sendable, Hashable {
    private enum State: Sendable, Hashable {
        /// Nothing is asked. At the deadline the peer was silent for at least an interval, or
        /// `hasHeard`.
        ///
        /// Exits: `.asked`.
        case quiet
        /// A ping was sent; at the deadline its answer is overdue.
        ///
        /// - Parameter read: the number of the read that waited when the ping was sent.
        ///
        /// Exits: `.quiet`, `.dead`.
        case asked(read: UInt64?)
        /// The answer was overdue.
        ///
        /// Exits: none.
        case dead
    }

    /// What a deadline asks for.
    package enum Action: Sendable, Hashable {
        /// Nothing.
        case none
        /// Send a ping.
        case ping
        /// End the connection.
        case giveUp
    }

    /// The silence before a ping.
    private let interval: Duration
    /// The silence after a ping that ends the connection.
    private let timeout: Duration
    private var state = State.quiet
    private var hasHeard = false
    /// When `deadlineReached` is to be called, on the clock of `now`.
    package private(set) var nextDeadline: Duration

    package init(interval: Duration, timeout: Duration, now: Duration) {
        self.interval = interval
        self.timeout = timeout
        nextDeadline = now + interval
    }

    /// Bytes have arrived.
    package mutating func bytesReceived() {
        hasHeard = true
    }

    /// The deadline was reached.
    ///
    /// - Parameter read: the number of the read that waits; `nil` when none does.
    package mutating func deadlineReached(now: Duration, read: UInt64?) -> Action {
        guard now >= nextDeadline else { return .none }
        defer { hasHeard = false }
        switch state {
        case .dead: return .none
        case .quiet where hasHeard:
            nextDeadline = now + interval
            return .none
        case .quiet:
            state = .asked(read: read)
            nextDeadline = now + timeout
            return .ping
        case .asked where hasHeard:
            state = .quiet
            nextDeadline = now + interval
            return .none
        case .asked(let earlier):
            // The same read has waited since the ping: there was nothing to read.
            guard let read, read == earlier else {
                state = .asked(read: read)
                nextDeadline = now + timeout
                return .none
            }
            state = .dead
            return .giveUp
        }
    }
}
