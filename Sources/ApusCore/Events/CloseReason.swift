/// Why a connection was closed; "must close" is never a bare flag.
public enum CloseReason: String, Sendable, Hashable, Codable, CaseIterable {
    /// The response or the request said `Connection: close`, or the peer speaks HTTP/1.0 without
    /// keep-alive.
    case connectionClose
    /// The body ended with the connection, so nothing can follow it.
    case closeDelimited
    /// The final answer came before the request's body had gone out whole.
    case requestUnfinished
    /// The consumer dropped the body, and the rest was more than it pays to drain.
    case responseUnfinished
    /// The exchange was cancelled.
    case cancelled
    /// The peer ended the connection while it was idle.
    case peerClosed
    /// The peer ended the connection as a request set out on it, before any byte of an answer: it
    /// had been idle for longer than the peer keeps it.
    case staleReuse
    /// The peer sent bytes that nobody asked for.
    case unsolicitedBytes
    /// A deadline passed.
    case timeout
    /// The peer broke the protocol.
    case protocolViolation
    /// Reading or writing failed.
    case transportError
    /// The peer asked for no more streams (GOAWAY).
    case goAway
    /// Idle for longer than the tuning allows.
    case idleTimeout
    /// Older than the tuning allows.
    case lifetime
    /// Evicted, least recently used first, to keep within a limit.
    case evicted
    /// Every exchange that the connection may carry was carried.
    case exhausted
    /// The program asked for its route's connections to be given up.
    case retired
    /// Its peer's name has other addresses by now.
    case addressChanged
    /// The caller wanted a connection of its own.
    case notPooled
    /// The connection was given away as a raw duplex.
    case upgraded
    /// Roots or identity were read anew, and are others now.
    case tlsReloaded
    /// The engine is shutting down.
    case shutdown
}
