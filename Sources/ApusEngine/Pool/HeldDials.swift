import ApusCore
import ApusPool

/// Dials that make use of room which a connection or a dial before them has not left yet.
///
/// A dial waits until what began to end before it, on its own route, has ended, on whichever
/// loop that is: the peer then never sees more connections than the limit.
struct HeldDials {
    /// Connections and dials that are to end and have not ended yet.
    private var ending: [Route: Set<ConnectionID>] = [:]
    /// Oldest first.
    private var held: [(dial: PoolActions.Dial, awaited: Set<ConnectionID>)] = []

    mutating func willEnd(_ id: ConnectionID, of route: Route) {
        ending[route, default: []].insert(id)
    }

    mutating func ended(_ id: ConnectionID, of route: Route) {
        guard ending[route]?.remove(id) != nil else { return }
        if ending[route]?.isEmpty == true { ending[route] = nil }
    }

    /// Whether the dial may start now; if not, `takeFree()` gives it back when it may.
    mutating func mayStart(_ dial: PoolActions.Dial) -> Bool {
        guard let awaited = ending[dial.route] else { return true }
        held.append((dial, awaited))
        return false
    }

    /// The dials that nothing holds any more, in the order in which they were decided.
    mutating func takeFree() -> [PoolActions.Dial] {
        guard !held.isEmpty else { return [] }
        var free: [PoolActions.Dial] = []
        held.removeAll { dial, awaited in
            guard ending[dial.route]?.isDisjoint(with: awaited) ?? true else { return false }
            free.append(dial)
            return true
        }
        return free
    }
}
