import ApusCore
import ApusPool

/// Dials that make use of room which a connection or a dial before them has not left yet.
///
/// A dial waits until what began to end before it, on its own route, has ended, on whichever
/// loop that is: the peer then never sees more connections than the limit. It also waits until
/// there is a place under each cap over routes, where a connection counts from the start of its
/// dial until its socket is closed: the machine counts it only until it has decided on its end.
struct HeldDials {
    private let limits: CapLimits
    /// Dials under way and connections that are not closed, under each cap that is in use.
    private var open: [CapKey: Int] = [:]
    /// Connections and dials that are to end and have not ended yet.
    private var ending: [Route: Set<ConnectionID>] = [:]
    /// Oldest first.
    private var held: [(dial: PoolActions.Dial, awaited: Set<ConnectionID>)] = []

    init(_ limits: CapLimits) {
        self.limits = limits
    }

    mutating func willEnd(_ id: ConnectionID, of route: Route) {
        ending[route, default: []].insert(id)
    }

    /// A dial is over, or a connection is closed.
    mutating func ended(_ id: ConnectionID, of route: Route) {
        guard ending[route]?.remove(id) != nil else { return }
        if ending[route]?.isEmpty == true { ending[route] = nil }
    }

    /// A dial that started has failed, or its connection is closed: its socket is no more.
    mutating func closed(_ route: Route) {
        guard !limits.areOff else { return }
        for cap in limits.entries(of: route) {
            guard let count = open[cap.key] else { continue }
            open[cap.key] = count > 1 ? count - 1 : nil
        }
    }

    /// Whether the dial may start now; if not, `takeFree` gives it back when it may.
    mutating func mayStart(_ dial: PoolActions.Dial) -> Bool {
        let awaited = ending[dial.route] ?? []
        if awaited.isEmpty, takePlace(dial.route) { return true }
        held.append((dial, awaited))
        return false
    }

    /// The dials that nothing holds any more, in the order in which they were decided.
    mutating func takeFree() -> [PoolActions.Dial] {
        guard !held.isEmpty else { return [] }
        var free: [PoolActions.Dial] = []
        var left: [(dial: PoolActions.Dial, awaited: Set<ConnectionID>)] = []
        for (dial, awaited) in held {
            let hasEnded = ending[dial.route]?.isDisjoint(with: awaited) ?? true
            if hasEnded, takePlace(dial.route) {
                free.append(dial)
            } else {
                left.append((dial, awaited))
            }
        }
        held = left
        return free
    }

    /// Counts a dial of the route under each of its caps, if each has a place.
    private mutating func takePlace(_ route: Route) -> Bool {
        guard !limits.areOff else { return true }
        let caps = limits.entries(of: route)
        guard caps.allSatisfy({ open[$0.key, default: 0] < $0.limit }) else { return false }
        for cap in caps { open[cap.key, default: 0] += 1 }
        return true
    }
}
