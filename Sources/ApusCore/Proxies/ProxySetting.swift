/// How requests reach their origin: as configured elsewhere, straight, or through a proxy.
public enum ProxySetting: Sendable, Hashable {
    /// No opinion: whoever holds the next setting decides.
    ///
    /// On an engine it means no proxy.
    case inherit
    /// No proxy, whatever anybody else is configured with.
    case direct
    /// Through this proxy; a proxy that fails never falls back to direct.
    case proxy(ProxyEndpoint)
    /// Through several proxies, the nearest first: each is reached through the one before it.
    ///
    /// One to `maxProxies`; a request with another number is refused, never sent direct.
    case chain([ProxyEndpoint])
    /// As these rules say for the request's origin; where they say nothing, no proxy.
    case rules(ProxyRules)

    /// The most proxies that one connection goes through.
    public static let maxProxies = 4

    /// Reads a configured text: "" is `inherit`, "direct" and "none" are `direct`, else a proxy's
    /// URL.
    ///
    /// Schemes: `http`, `https`, `socks4a`, `socks5`, `socks5h`. User and password are
    /// percent-decoded.
    /// - Throws: `InvalidProxy`, whose message never holds credentials.
    public init(parsing text: String) throws(InvalidProxy) {
        let trimmed = text.trimmingBlanks()
        switch trimmed.lowercased() {
        case "": self = .inherit
        case "direct", "none": self = .direct
        default: self = .proxy(try ProxyEndpoint(parsing: trimmed))
        }
    }

    /// The proxies on the way to an origin, the nearest first; none when the way is direct.
    ///
    /// - Throws: `InvalidRequest` when a chain names no proxy or too many.
    package func proxies(for origin: Origin) throws(InvalidRequest) -> [ProxyEndpoint] {
        switch self {
        case .inherit, .direct: return []
        case .proxy(let endpoint): return [endpoint]
        case .chain(let endpoints):
            guard (1...ProxySetting.maxProxies).contains(endpoints.count) else {
                throw InvalidRequest(
                    field: "proxy",
                    reason: "is a chain of \(endpoints.count), not of 1...\(Self.maxProxies)")
            }
            return endpoints
        case .rules(let rules): return try rules.setting(for: origin).proxies(for: origin)
        }
    }
}
