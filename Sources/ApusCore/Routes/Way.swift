/// An origin and the proxies to it, whatever their credentials: what is between breaks connections
/// and sets their limits.
package struct Way: Hashable, Sendable {
    /// The most ways of which one memory keeps something.
    package static let maxRemembered = 1024

    private let origin: Origin
    private let proxies: [ProxyHop]

    package init(_ route: Route) {
        origin = route.origin
        proxies = route.proxies.map { ProxyHop($0) }
    }
}
