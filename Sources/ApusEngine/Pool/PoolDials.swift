import ApusCore
import ApusPool

/// The dials that were decided on and have not ended, and how far each is.
struct PoolDials {
    /// How far a dial is.
    private enum Phase {
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

    private struct Dial {
        let route: Route
        var phase = Phase.decided
    }

    private var dials: [ConnectionID: Dial] = [:]

    var isEmpty: Bool { dials.isEmpty }

    mutating func decided(_ dial: PoolActions.Dial) {
        dials[dial.connection] = Dial(route: dial.route)
    }

    /// The dial is under way.
    ///
    /// - Returns: whether it was abandoned before that, so that the task is to be cancelled.
    mutating func started(_ id: ConnectionID, as task: Task<Void, Never>) -> Bool {
        switch dials[id]?.phase {
        case .decided:
            dials[id]?.phase = .running(task)
            return false
        case .abandoned: return true
        // It has ended already.
        case .running, nil: return false
        }
    }

    /// The machine has given the dial up; what to cancel, if it has started.
    ///
    /// - Returns: `nil` when there is no such dial.
    mutating func abandoned(_ id: ConnectionID) -> (route: Route, task: Task<Void, Never>?)? {
        guard let dial = dials[id] else { return nil }
        dials[id]?.phase = .abandoned
        guard case .running(let task) = dial.phase else { return (dial.route, nil) }
        return (dial.route, task)
    }

    /// The dial has ended.
    ///
    /// - Returns: `nil` when there is no such dial.
    mutating func ended(_ id: ConnectionID) -> (route: Route, wasAbandoned: Bool)? {
        guard let dial = dials.removeValue(forKey: id) else { return nil }
        guard case .abandoned = dial.phase else { return (dial.route, false) }
        return (dial.route, true)
    }
}
