package import ApusConnection
package import ApusCore
import ApusSocket

/// The routes used lately, so that most requests need not work theirs out again.
///
/// Thousands, since each credential may have routes of its own. A request that finds its route in
/// here also has the pool's key as the pool has it, which is compared by identity.
///
/// Unchecked, because what follows `lock` is touched only with it held.
package final class RouteMemory: @unchecked Sendable {
    /// So many routes that were used last are kept, and as many of those before them at most.
    package static let maxRoutes = 4096

    private let lock = Lock()
    /// The last one: the only one that many programs have.
    @exclusivity(unchecked) private var last: (requirements: RouteRequirements, route: Route)?
    /// Those used since `older` was replaced.
    @exclusivity(unchecked) private var recent: [RouteRequirements: Route] = [:]
    /// Those that were recent before: what of them is used again becomes recent.
    @exclusivity(unchecked) private var older: [RouteRequirements: Route] = [:]

    package init() {}

    /// Forgets the routes that match, and with them their proxies' credentials.
    ///
    /// The predicate is called with no lock held.
    package func forget(where matches: (Route) -> Bool) {
        let kept = lock.withLock { Set(recent.values).union(older.values) }
        let forgotten = kept.filter(matches)
        lock.withLock {
            last = nil
            recent = recent.filter { !forgotten.contains($0.value) }
            older = older.filter { !forgotten.contains($0.value) }
        }
    }

    /// The route for these requirements, made by `make` unless it was used lately.
    package func route(
        for requirements: RouteRequirements, _ make: () throws(InvalidRequest) -> Route
    ) throws(InvalidRequest) -> Route {
        if let known = lock.withLock({ find(requirements) }) { return known }
        let route = try make()
        let kept = requirements.kept
        lock.withLock { enter(route, for: kept) }
        return route
    }

    /// With the lock held.
    private func find(_ requirements: RouteRequirements) -> Route? {
        if let last, last.requirements == requirements { return last.route }
        if let index = recent.index(forKey: requirements) {
            let (kept, route) = recent[index]
            last = (kept, route)
            return route
        }
        guard let index = older.index(forKey: requirements) else { return nil }
        let (kept, route) = older[index]
        enter(route, for: kept)
        return route
    }

    /// With the lock held.
    private func enter(_ route: Route, for kept: RouteRequirements) {
        last = (kept, route)
        if recent.count >= Self.maxRoutes {
            older = recent
            recent = [:]
        }
        recent[kept] = route
    }
}
