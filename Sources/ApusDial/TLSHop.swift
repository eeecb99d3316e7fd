package import ApusCore

/// A hop of a route with TLS on it: a session that was agreed on one is used on its equals alone.
package enum TLSHop: Hashable, Sendable {
    /// The origin at the end of this very route.
    case origin(Route)
    /// A proxy, whatever is after it.
    case proxy(ProxyPath)

    /// How a proxy is reached and what it is sent: all that its own connections could differ in.
    package struct ProxyPath: Hashable, Sendable {
        /// Up to and including the proxy, with credentials and settings.
        let proxies: [ProxyEndpoint]
        let isolation: IsolationScope?
        let localAddress: ExactText?
        let localInterface: ExactText?
        /// By ALPN: less is offered to a proxy that is to forward.
        let offer: [ExactText]
    }

    /// The proxy at `index` of a route.
    init(proxyAt index: Int, of route: Route, offering offer: [String]) {
        self = .proxy(
            ProxyPath(
                proxies: Array(route.proxies[...index]), isolation: route.isolation,
                localAddress: route.localAddress.map { ExactText($0) },
                localInterface: route.localInterface.map { ExactText($0) },
                offer: offer.map { ExactText($0) }))
    }
}
