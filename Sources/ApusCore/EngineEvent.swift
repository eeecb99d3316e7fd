/// Hears what an engine does, as it happens; without one, nothing is gathered.
///
/// Called on the engine's threads: return at once.
public protocol EngineObserver: Sendable {
    func observe(_ event: EngineEvent)
}

/// One step in the story of a connection or an exchange.
public enum EngineEvent: Sendable {
    /// A connection is being made.
    case dialStarted(connection: UInt64, route: Route)
    /// The host's name gave these addresses.
    case resolved(connection: UInt64, addresses: [String])
    /// A connection could not be made.
    case dialFailed(connection: UInt64, error: TransportError)
    /// A connection stands and may carry exchanges.
    case connectionOpened(connection: UInt64, facts: ConnectionFacts)
    /// A connection is gone.
    case connectionClosed(connection: UInt64, reason: CloseReason)
    /// A request waits for a connection.
    case exchangeQueued(route: Route)
    /// A request goes out on a connection.
    case exchangeStarted(connection: UInt64, isReused: Bool)
    /// A request is sent again, because of this error.
    case exchangeReplayed(error: TransportError)
}

/// What is known of an established connection.
public struct ConnectionFacts: Sendable, Hashable {
    /// The protocol spoken: "http/1.1" or "h2".
    public var protocolName: String
    /// The peer's address as text: the proxy's when there is one.
    public var remoteAddress: String
    /// What TLS agreed on with the origin; `nil` in the clear.
    public var tls: TLSFacts?
    /// Since the dial began: names resolved, TCP connected, TLS done.
    public var resolved: Duration = .zero
    public var connected: Duration = .zero
    public var secured: Duration = .zero

    /// What a TLS handshake agreed on.
    public struct TLSFacts: Sendable, Hashable {
        /// "TLSv1.3" or "TLSv1.2".
        public var version: String
        public var cipher: String
        /// The protocol chosen by ALPN; `nil` when the server chose none.
        public var alpn: String?
        public var isResumed: Bool

        public init(version: String, cipher: String, alpn: String?, isResumed: Bool) {
            self.version = version
            self.cipher = cipher
            self.alpn = alpn
            self.isResumed = isResumed
        }
    }

    public init(protocolName: String, remoteAddress: String, tls: TLSFacts?) {
        self.protocolName = protocolName
        self.remoteAddress = remoteAddress
        self.tls = tls
    }
}
