import ApusCore
import ApusDial
import ApusPool
import ApusSocket

/// What is done to routes as wholes, by the user or by what the engine has learned.
extension ConnectionPool {
    /// Lets the connections with TLS finish what they carry, and no more.
    func tlsReloaded() {
        step { pool in
            let routes = Set(pool.machine.knownRoutes.filter(\.hasTLS))
            return pool.machine.drainAll(of: routes, reason: .tlsReloaded, now: .now())
        }
    }

    /// Dials that are decided on at once: others want the lock too.
    static let prewarmStep = 128

    /// Dials until the route has so many connections, within its limits.
    ///
    /// - Returns: how many dials that took.
    func prewarm(_ route: Route, connections: Int) -> Int {
        var dials = 0
        var found = 0
        repeat {
            // Dials that fail meanwhile make room for others, so what was asked for is the bound.
            let most = min(ConnectionPool.prewarmStep, connections - dials)
            step { pool in
                let actions = pool.machine.prewarm(
                    route, connections: connections, dials: most, now: .now())
                found = actions.dial.count
                return actions
            }
            dials += found
        } while found == ConnectionPool.prewarmStep
        return dials
    }

    /// The routes that the pool holds something of.
    var knownRoutes: [Route] { lock.withLock { machine.knownRoutes } }

    /// Has the connections of these routes take no more; those that are idle close.
    func drainAll(of routes: Set<Route>, _ reason: CloseReason) {
        step { pool in
            pool.failures.forget(where: routes.contains)
            return pool.machine.drainAll(of: routes, reason: reason, now: .now())
        }
    }

    /// Has one connection take no more, if it is still there.
    func drain(_ id: ConnectionID, _ reason: CloseReason) {
        step { $0.machine.drain(id, reason: reason, now: .now()) }
    }

    /// Closes what is idle; the pool goes on.
    func closeIdle() {
        step { $0.machine.evictIdle(atMost: .max, now: .now()) }
    }
}
