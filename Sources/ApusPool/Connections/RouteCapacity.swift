import ApusCore

/// What the next connection of a route is expected to carry: by policy, then by experience.
struct RouteCapacity: Sendable {
    /// Whether a dial may give a connection for many exchanges.
    private(set) var multiplexes = false
    /// Exchanges that the next connection is expected to carry at once.
    private(set) var expected = 1

    init() {}

    init(of route: Route) {
        multiplexes =
            switch route.versions {
            case .automatic: route.origin.scheme == .https
            case .http1Only: false
            case .http2Only: true
            }
        // While nothing is known, one dial is expected to serve every waiter.
        expected = multiplexes ? .max : 1
    }

    /// Remembers what a connection turned out to carry; a guess is not remembered.
    mutating func learn(_ connection: ConnectionSlot.Open) {
        multiplexes = connection.sharing != .exclusive
        guard connection.sharing != .unreported else { return }
        // A peer that allows nothing at present is not asked harder by more dials at once.
        expected = connection.capacity == 0 ? .max : connection.capacity
    }
}
