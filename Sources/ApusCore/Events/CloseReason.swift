/// Why a connection was closed.
public enum CloseReason: String, Sendable, Hashable, Codable, CaseIterable {
    /// The response or the request said `Connection: close`, or the peer speaks HTTP/1.0 without
    /// keep-alive.
    case connectionClose
    /// The body ended with the connection, so nothing can follow it.
    case closeDelimited
    /// The final response came before the whole request body was sent.
    case requestUnfinished
    /// The consumer dropped the body, and the rest was more than `limits.drainBytes`.
    case responseUnfinished
    /// The exchange was cancelled.
    case cancelled
    /// The peer ended the connection while it was idle.
    case peerClosed
    /// The peer ended the connection when a request was sent on it, before any byte of a response:
    /// it had been idle for longer than the peer keeps connections.
    case staleReuse
    /// The peer sent bytes without a request.
    case unsolicitedBytes
    /// A deadline passed.
    case timeout
    /// The peer broke the protocol.
    case protocolViolation
    /// Reading or writing failed.
    case transportError
    /// The peer asked for no more streams (GOAWAY).
    case goAway
    /// The connection was idle for longer than `pool.idleTimeout`.
    case idleTimeout
    /// The connection was older than `pool.lifetime`.
    case lifetime
    /// The connection was evicted, least recently used first, to stay within a limit.
    case evicted
    /// The connection had carried as many exchanges as it may.
    case exhausted
    /// The program drained its route.
    case retired
    /// Its host's name now has other addresses.
    case addressChanged
    /// The system had slept, and the connection was idle.
    case systemSlept
    /// Its local address was removed from this system.
    case localAddressLost
    /// The request asked for a connection that is not kept.
    case notPooled
    /// The connection became a raw duplex.
    case upgraded
    /// Roots or identity were reloaded and have changed.
    case tlsReloaded
    /// The engine is shutting down.
    case shutdown
}
