import ApusCore

/// The routes whose peer wants HTTP/1.1 although ALPN chose HTTP/2.
final class HTTP1Routes: Sendable {
    private let routes = LearnedRoutes()

    /// The route as it is to be used, given what its peer said before.
    func adapted(_ route: Route) -> Route {
        routes.contains(route) ? route.over(.http1Only(alpn: .http1)) : route
    }

    /// Remembers a route whose peer wants HTTP/1.1.
    ///
    /// - Returns: the same over HTTP/1.1; `nil` when its policy does not allow that.
    func demanded(by route: Route) -> Route? {
        guard route.versions == .automatic else { return nil }
        routes.insert(route)
        return route.over(.http1Only(alpn: .http1))
    }
}

extension Route {
    /// The same route by another version policy.
    fileprivate func over(_ versions: HTTPVersionPolicy) -> Route {
        Route(
            origin: origin, proxies: proxies, versions: versions, tls: tls,
            localAddress: localAddress, localInterface: localInterface, connectTo: connectTo,
            isolation: isolation, purpose: purpose)
    }
}
