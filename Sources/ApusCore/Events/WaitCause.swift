/// What keeps a request waiting for a connection.
public enum WaitCause: String, Sendable, Hashable, Codable {
    /// A connection is being made for it.
    case dial = "a dial"
    /// The route has as many connections as `pool.maxConnectionsPerHost` allows.
    case connectionsPerHost = "connections per host"
    /// As many connections are being made as `pool.maxDialsPerHost` allows.
    case dialsPerHost = "dials per host"
    /// A dial has failed, and the next one waits for `pool.dialBackoff`.
    case backoff = "the pause after a failed dial"
    /// Every shared connection is full, and there may not be more of them.
    case sharedConnectionsPerHost = "shared connections per host"
}
