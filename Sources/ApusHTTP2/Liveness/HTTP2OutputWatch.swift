package import ApusCore

/// Notices a peer that takes nothing of what is sent to it: a socket that stays full.
///
/// PING cannot find it out, since the PING waits as well, and a peer that goes on sending looks
/// alive. What counts is time without a byte taken: however slowly a peer reads, it is no offence.
package struct HTTP2OutputWatch: Sendable {
    /// What the connection has to do.
    package enum Action: Sendable, Hashable {
        /// The peer takes nothing: the connection should get no new streams.
        case suspect
        /// The peer takes bytes again.
        case trust
        /// The peer has taken nothing for `http2.writeTimeout`.
        case end
    }

    private enum State: Sendable {
        /// The socket has taken all. Exits: `.blocked` when a flush leaves bytes.
        case flowing
        /// The socket is full since this instant, or has taken its last byte then. Exits:
        /// `.flowing` when it takes the rest, `.stalled` by `http2.suspectAfter` without a byte.
        case blocked(Deadline)
        /// The same, for too long: no new streams. Exits: `.flowing` or `.blocked` by any byte
        /// taken, `.dead` by `http2.writeTimeout`.
        case stalled(Deadline, nextLook: Deadline)
        /// No exits.
        case dead
    }

    private let suspectAfter: Duration
    /// `nil` watches nothing.
    private let writeTimeout: Duration?
    private var state = State.flowing
    /// What the peer had not taken when that was last looked at, be it here or in the socket.
    private var unsent = 0

    package init(_ tuning: EngineTuning.HTTP2) {
        writeTimeout = tuning.writeTimeout
        suspectAfter = min(tuning.suspectAfter, tuning.writeTimeout ?? tuning.suspectAfter)
    }

    /// When `deadlineReached` is to be called; `nil` is never.
    package var nextDeadline: Deadline? {
        switch state {
        case .flowing, .dead: nil
        case .blocked(let since): since.advanced(by: suspectAfter)
        case .stalled(_, let nextLook): nextLook
        }
    }

    /// Whether the peer had taken all when that was last looked at.
    package var isFlowing: Bool { if case .flowing = state { true } else { false } }

    /// A flush is over.
    ///
    /// - Parameters:
    ///   - unsent: bytes that the peer has not taken; 0 when none waits for the socket.
    ///   - hasMoved: whether the socket had taken everything before.
    package mutating func flushed(unsent: Int, hasMoved: Bool, now: Deadline) -> Action? {
        guard writeTimeout != nil else { return nil }
        guard unsent > 0 else { return change(to: .flowing) }
        switch state {
        case .flowing: return block(unsent, now)
        case .blocked, .stalled:
            return hasMoved || unsent < self.unsent ? block(unsent, now) : nil
        case .dead: return nil
        }
    }

    /// Looks at what the time has brought; called too early, it changes nothing.
    ///
    /// - Parameter pending: what the peer has not taken now, in the socket too: that a slow one
    ///   empties in small steps is seen there first.
    package mutating func deadlineReached(
        now: Deadline, pending: @autoclosure () -> Int
    ) -> Action? {
        guard let due = nextDeadline, due <= now, let writeTimeout else { return nil }
        let unsent = pending()
        guard unsent > 0 else { return change(to: .flowing) }
        guard unsent >= self.unsent else { return block(unsent, now) }
        switch state {
        case .flowing, .dead: return nil
        case .blocked(let since):
            lookAgain(since, now, writeTimeout)
            return .suspect
        case .stalled(let since, _):
            guard since.advanced(by: writeTimeout) <= now else {
                lookAgain(since, now, writeTimeout)
                return nil
            }
            state = .dead
            return .end
        }
    }

    private mutating func block(_ unsent: Int, _ now: Deadline) -> Action? {
        self.unsent = unsent
        return change(to: .blocked(now))
    }

    private mutating func change(to next: State) -> Action? {
        let wasStalled = if case .stalled = state { true } else { false }
        state = next
        return wasStalled ? .trust : nil
    }

    /// Suspects the peer until its time of death, and looks before that: a slow peer may empty the
    /// socket for long before that has room for more and says so.
    private mutating func lookAgain(
        _ since: Deadline, _ now: Deadline, _ writeTimeout: Duration
    ) {
        let death = since.advanced(by: writeTimeout)
        state = .stalled(since, nextLook: min(death, now.advanced(by: suspectAfter)))
    }
}
