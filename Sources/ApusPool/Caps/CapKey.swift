package import ApusCore

/// What a cap over routes counts the connections of.
package enum CapKey: Sendable, Hashable {
    /// A proxy on the way, over all origins, credentials and isolation scopes.
    case proxy(ProxyHop)
    /// An origin, over all proxies and isolation scopes.
    case origin(Origin)
    /// The whole engine.
    case engine

    /// What a request waits for at this cap.
    package var cause: WaitCause {
        switch self {
        case .proxy: .connectionsPerProxy
        case .origin: .connectionsPerOrigin
        case .engine: .connectionsPerEngine
        }
    }
}

extension CapKey: CustomStringConvertible {
    /// The proxy without credentials, the origin, or "engine".
    package var description: String {
        switch self {
        case .proxy(let hop): hop.description
        case .origin(let origin): origin.description
        case .engine: "engine"
        }
    }
}

/// The caps of a tuning; `nil` is off.
package struct CapLimits: Sendable {
    /// One cap of a route.
    package struct Entry: Sendable {
        package let key: CapKey
        package let limit: Int
    }

    private let engine: Int?
    private let origin: Int?
    private let proxy: Int?

    package init(_ tuning: EngineTuning.Pool) {
        engine = tuning.maxConnections
        origin = tuning.maxConnectionsPerOrigin
        proxy = tuning.maxConnectionsPerProxy
    }

    /// Whether no cap is set.
    package var areOff: Bool { engine == nil && origin == nil && proxy == nil }

    /// The caps that a connection of the route counts under, the narrowest first; a proxy that is
    /// passed twice is named once.
    package func entries(of route: Route) -> [Entry] {
        var entries: [Entry] = []
        if let proxy {
            var hops: Set<ProxyHop> = []
            for hop in route.proxies.map({ ProxyHop($0) }) where hops.insert(hop).inserted {
                entries.append(Entry(key: .proxy(hop), limit: proxy))
            }
        }
        if let origin { entries.append(Entry(key: .origin(route.origin), limit: origin)) }
        if let engine { entries.append(Entry(key: .engine, limit: engine)) }
        return entries
    }
}
