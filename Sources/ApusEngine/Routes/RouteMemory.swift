package import ApusConnection
package import ApusCore
import ApusSocket

/// The routes used lately, so that most requests need not work theirs out again.
///
/// Unchecked, because `recent` is touched only with the lock held.
package final class RouteMemory: @unchecked Sendable {
    /// Few enough to be looked through faster than one route is made.
    private static let maxRoutes = 8

    private let lock = Lock()
    @exclusivity(unchecked) private var recent: [(requirements: RouteRequirements, route: Route)] =
        []
    @exclusivity(unchecked) private var oldest = 0

    package init() {}

    /// Forgets the routes that match, and with them their proxies' credentials.
    ///
    /// The predicate is called with no lock held.
    package func forget(where matches: (Route) -> Bool) {
        let forgotten = Set(lock.withLock { recent.map(\.route) }.filter(matches))
        lock.withLock {
            recent.removeAll { forgotten.contains($0.route) }
            oldest = 0
        }
    }

    /// The route for these requirements, made by `make` unless it was used lately.
    package func route(
        for requirements: RouteRequirements, _ make: () throws(InvalidRequest) -> Route
    ) throws(InvalidRequest) -> Route {
        let known = lock.withLock { recent.first { $0.requirements == requirements }?.route }
        if let known { return known }
        let route = try make()
        let kept = requirements.kept
        lock.withLock {
            if recent.count < RouteMemory.maxRoutes {
                recent.append((kept, route))
            } else {
                recent[oldest] = (kept, route)
                oldest = (oldest + 1) % RouteMemory.maxRoutes
            }
        }
        return route
    }
}
