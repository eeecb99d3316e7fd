package import ApusCore
import ApusPool

/// Why the last dial of each route failed: for those who wait in vain, and for those who are turned
/// away in the pause that follows.
package struct DialFailures {
    /// Errors kept at most: twice as many as there are routes whose pause the machine remembers, so
    /// that those of other routes are seldom looked for.
    package static let maxRoutes = 2 * PoolMachine.maxHeldRoutes

    private var errors: [Route: TransportError] = [:]

    package init() {}

    package var isEmpty: Bool { errors.isEmpty }

    package subscript(route: Route) -> TransportError? { errors[route] }

    /// Keeps an error; `isHeld` says whether the pool holds anything of a route.
    package mutating func note(
        _ error: TransportError, of route: Route, isHeld: (Route) -> Bool
    ) {
        if errors[route] == nil, errors.count >= DialFailures.maxRoutes {
            forget { !isHeld($0) }
            guard errors.count < DialFailures.maxRoutes else { return }
        }
        errors[route] = error
    }

    /// A dial of the route has succeeded.
    package mutating func forget(_ route: Route) {
        errors[route] = nil
    }

    /// Lets go of the errors of some routes.
    package mutating func forget(where matches: (Route) -> Bool) {
        errors = errors.filter { !matches($0.key) }
    }
}
