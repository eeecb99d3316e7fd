package import ApusCore

/// Finds out whether bodies wait for the peer's connection window for too long (RFC 9113, section
/// 5.2).
///
/// The peer opens a window that is closed one round trip later. So on a long path a small window is
/// what bounds all uploads of the connection, and a small body waits with the large ones. Without
/// clock: `now` is called only while a window is closed.
package struct HTTP2WindowWatch: Sendable {
    private enum State {
        /// Bodies leave as they come. Exits: `.closed`.
        case open
        /// Since then a body has waited for the window. Exits: `.open`, `.congested`.
        case closed(since: Deadline)
        /// A body has waited for too long; the window was last seen closed then. Exits: `.open`.
        case congested(Deadline)
    }

    /// What the pool is to learn.
    package enum Change: Sendable, Hashable {
        case congested, cleared
    }

    private let limit: Duration?
    private var state = State.open

    /// Creates a watch.
    ///
    /// - Parameter limit: how long a body may wait; `nil` is off.
    package init(limit: Duration?) {
        self.limit = limit
    }

    /// The session has sent or received.
    ///
    /// - Parameter isClosed: whether a body waits and the connection's window is closed.
    package mutating func observe(
        isClosed: Bool, now: @autoclosure () -> Deadline
    ) -> Change? {
        guard let limit else { return nil }
        switch state {
        case .open:
            if isClosed { state = .closed(since: now()) }
            return nil
        case .closed(let since):
            let now = now()
            guard now.since(since) < limit else {
                state = .congested(now)
                return .congested
            }
            if !isClosed { state = .open }
            return nil
        case .congested(let last):
            let now = now()
            if isClosed {
                state = .congested(now)
                return nil
            }
            // The window opens for a moment with each round trip.
            guard now.since(last) >= limit else { return nil }
            state = .open
            return .cleared
        }
    }
}
