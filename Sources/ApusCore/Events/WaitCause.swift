/// What a request waits for.
public enum WaitCause: String, Sendable, Hashable, Codable {
    /// A connection is being made for it.
    case dial = "a dial"
    /// The route has as many connections as `pool.maxConnectionsPerHost` allows.
    case connectionsPerHost = "connections per host"
    /// The engine has as many connections as `pool.maxConnections` allows, and none that is idle.
    case connectionsPerEngine = "connections per engine"
    /// The origin has as many connections as `pool.maxConnectionsPerOrigin` allows, and none that
    /// is idle.
    case connectionsPerOrigin = "connections per origin"
    /// A proxy carries as many connections as `pool.maxConnectionsPerProxy` allows, and none that
    /// is idle.
    case connectionsPerProxy = "connections per proxy"
    /// As many connections are being made as `pool.maxDialsPerHost` allows.
    case dialsPerHost = "dials per host"
    /// A dial has failed, and the next one starts after `pool.dialBackoff`.
    case backoff = "the pause after a failed dial"
    /// Every HTTP/2 connection is full, and `http2.maxConnectionsPerHost` allows no more.
    case sharedConnectionsPerHost = "shared connections per host"
}
