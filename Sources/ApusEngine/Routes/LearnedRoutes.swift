package import ApusCore
import ApusSocket

/// The routes of which one thing was learned from what their peers answered.
///
/// Unchecked, because `routes` is touched only with the lock held.
package final class LearnedRoutes: @unchecked Sendable {
    /// The most that are remembered; beyond, the memory begins anew.
    package static let maxRoutes = 1024

    private let lock = Lock()
    private var routes: Set<Route> = []

    package init() {}

    package func contains(_ route: Route) -> Bool {
        lock.withLock { !routes.isEmpty && routes.contains(route) }
    }

    package func insert(_ route: Route) {
        lock.withLock {
            if routes.count >= Self.maxRoutes { routes.removeAll() }
            routes.insert(route)
        }
    }

    /// Forgets the routes that match; the predicate is called with no lock held.
    package func forget(where matches: (Route) -> Bool) {
        let forgotten = lock.withLock { routes }.filter(matches)
        lock.withLock { routes.subtract(forgotten) }
    }
}
