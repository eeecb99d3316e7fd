/// How requests reach their origin: as configured elsewhere, directly, or through proxies.
public enum ProxySetting: Sendable, Hashable {
    /// No choice: the next setting in order decides.
    ///
    /// On an engine it means no proxy.
    case inherit
    /// No proxy, whatever the settings that follow say.
    case direct
    /// Through this proxy; when it fails, requests are never sent directly instead.
    case proxy(ProxyEndpoint)
    /// Through several proxies, the first one nearest: each is reached through the one before it.
    ///
    /// A chain has 1 to `maxProxies` proxies; with any other number a request is refused, never
    /// sent directly.
    case chain([ProxyEndpoint])
    /// As the rules say for the request's origin; without a matching rule, no proxy.
    case rules(ProxyRules)

    /// The maximum number of proxies in a chain.
    public static let maxProxies = 4

    /// Reads a configured text: "" is `inherit`, "direct" and "none" are `direct`, and any other
    /// text is a proxy's URL.
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

    /// The proxies for an origin, the nearest first; none for a direct connection.
    ///
    /// - Throws: `InvalidRequest` when a chain is empty or too long.
    package func proxies(for origin: Origin) throws(InvalidRequest) -> [ProxyEndpoint] {
        switch self {
        case .inherit, .direct: return []
        case .proxy(let endpoint): return [endpoint]
        case .chain(let endpoints):
            guard (1...ProxySetting.maxProxies).contains(endpoints.count) else {
                throw InvalidRequest(
                    field: "proxy",
                    reason:
                        "has \(endpoints.count) proxies in its chain, not 1...\(Self.maxProxies)")
            }
            return endpoints
        case .rules(let rules): return try rules.setting(for: origin).proxies(for: origin)
        }
    }
}
