// How a route's proxies are passed.
extension Route {
    /// Whose name is looked up first: the nearest proxy's where there is one.
    package var firstHost: String { proxies.first?.host ?? origin.host }
    /// Its port.
    package var firstPort: UInt16 { proxies.first?.port ?? origin.port }

    /// An http origin through an http or https proxy is forwarded by the last of them; everything
    /// else is tunnelled.
    package var isForwarded: Bool {
        guard origin.scheme == .http, versions != .http2Only, !isTunnelled,
            let last = proxies.last
        else { return false }
        return last.kind.speaksHTTP
    }

    /// Refuses what cannot be sent to the proxies of this route, before anything is dialled.
    package func checkProxies() throws(InvalidRequest) {
        try checkConnectTarget()
        for index in proxies.indices where proxies[index].kind == .socks4a {
            guard !target(after: index).host.contains(":") else {
                throw InvalidRequest(field: "host", reason: "is IPv6, which SOCKS 4a cannot name")
            }
        }
    }

    /// Refuses a place to connect to that is invalid, or that cannot be sent to a proxy.
    ///
    /// `connectTo` is about the origin. Through a proxy it is what the last one is asked for, which
    /// takes a tunnel and an address; the way to a proxy is the proxy's own host and port.
    private func checkConnectTarget() throws(InvalidRequest) {
        guard let connectTo else { return }
        try connectTo.check()
        guard !proxies.isEmpty else { return }
        if case .unixSocket = connectTo {
            throw InvalidRequest(
                field: "connectTo", reason: "is a Unix socket, which no proxy can be asked for")
        }
        guard !isForwarded else {
            throw InvalidRequest(
                field: "connectTo", reason: "cannot be sent to a proxy that forwards by the URL")
        }
    }

    /// The target that the last proxy is asked for.
    var tunnelTarget: TunnelTarget {
        guard case .address(let literal, let port) = connectTo else {
            return TunnelTarget(host: origin.host, port: origin.port)
        }
        return TunnelTarget(host: literal, port: port)
    }

    /// What the proxy at `index` is asked for: the next one, or the origin.
    package func target(after index: Int) -> TunnelTarget {
        guard index + 1 < proxies.count else { return tunnelTarget }
        return TunnelTarget(host: proxies[index + 1].host, port: proxies[index + 1].port)
    }
}

/// What a proxy is to connect to.
package struct TunnelTarget: Sendable, Hashable {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        // A zone says which of our links: it means nothing to a proxy (RFC 6874, section 4).
        self.host = host.contains(":") ? String(host.prefix { $0 != "%" }) : host
        self.port = port
    }

    /// As CONNECT wants it, with brackets around IPv6.
    package var authority: String { Host.withPort(host, port) }
}
