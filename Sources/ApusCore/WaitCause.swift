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

/// A connection's state in one word.
public enum ConnectionState: String, Sendable, Hashable, Codable {
    /// Being made.
    ///
    /// Exits: `.idle`, `.leased`, and gone.
    case dialling
    /// Open, and carries nothing.
    ///
    /// Exits: `.leased`, `.suspect`, and gone.
    case idle
    /// Open, and carries at least one exchange.
    ///
    /// Exits: `.idle`, `.suspect`, `.draining`, and gone.
    case leased
    /// Open, but its peer may be dead, or has yet to meet many cancels: it gets no new exchange.
    ///
    /// Exits: `.idle`, `.leased`, `.draining`, and gone.
    case suspect
    /// Finishes what it carries, and takes no more.
    ///
    /// Exits: gone.
    case draining
}
