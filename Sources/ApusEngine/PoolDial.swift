import ApusCore

// What the pool's shell knows of a dial, and of the connection that it has made.
extension ConnectionPool {
    /// How far a dial is.
    enum DialPhase {
        /// Decided, and about to start.
        ///
        /// Exits: `.running`, `.abandoned`.
        case decided
        /// Under way.
        ///
        /// Exits: `.abandoned`, and gone.
        case running(Task<Void, Never>)
        /// It has no waiter any more, but it has not ended yet.
        ///
        /// Exits: gone.
        case abandoned
    }

    /// A dial as the shell sees it.
    struct Dial {
        let route: Route
        var phase = DialPhase.decided

        var isAbandoned: Bool { if case .abandoned = phase { true } else { false } }
    }

    /// What is reported when a connection closes.
    struct Opening {
        let route: Route
        let at: Deadline
    }
}
