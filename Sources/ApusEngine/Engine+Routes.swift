package import ApusCore
import ApusDial

// What concerns all connections of some routes.
extension Engine {
    /// Dials until the route has so many connections, within its limits.
    ///
    /// - Returns: how many dials that took.
    package func prewarm(_ route: Route, connections: Int) -> Int {
        pool.prewarm(route, connections: connections)
    }

    /// Has the connections of the routes that match take no more, and forgets what is kept to make
    /// others like them: TLS sessions, and the ways with their proxies' credentials.
    ///
    /// The predicate is called with no lock held.
    package func drain(where matches: (Route) -> Bool) {
        let drained = Set(pool.knownRoutes.filter(matches))
        routes.forget(where: matches)
        askingRoutes.forget(where: matches)
        dialer.sessions.forget(where: matches)
        pool.drainAll(of: drained, .retired)
    }
}
