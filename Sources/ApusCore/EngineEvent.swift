/// Hears what an engine does, as it happens; without one, nothing is gathered.
///
/// Called on the engine's threads and on those of its callers, with no lock held: return at once.
/// An exchange's events come in their order; events of different exchanges and connections may
/// interleave.
public protocol EngineObserver: Sendable {
    func observe(_ event: EngineEvent)
}

/// One step in the story of a connection, of an exchange, or of the engine itself.
///
/// Routes and errors in it name no secret. More cases may come: switch over it with a `default`.
public enum EngineEvent: Sendable {
    // Connections, by their number in the engine.

    /// A connection is being made.
    case dialStarted(connection: UInt64, route: Route)
    /// The host's name gave these addresses.
    case resolved(connection: UInt64, addresses: [String])
    /// TCP stands to this address: the proxy's when there is one.
    case connected(connection: UInt64, address: String)
    /// TLS stands with an https proxy.
    case proxySecured(connection: UInt64, proxy: String, tls: ConnectionFacts.TLSFacts)
    /// The proxy asked who we are (407), and is answered once.
    case proxyChallenged(connection: UInt64, proxy: String)
    /// The proxy opened the way to the next proxy or to the origin; a proxy that forwards requests
    /// opens none.
    case tunnelled(connection: UInt64, proxy: String)
    /// TLS stands with the origin.
    case secured(connection: UInt64, tls: ConnectionFacts.TLSFacts)
    /// One step of a TLS handshake took 100 ms or more of the processor's time, in which its event
    /// loop did nothing else: the peer chose costly keys.
    case handshakeStepWasSlow(connection: UInt64, step: Duration)
    /// A connection could not be made.
    case dialFailed(connection: UInt64, error: TransportError)
    /// A connection stands and may carry exchanges.
    case connectionOpened(connection: UInt64, route: Route, facts: ConnectionFacts)
    /// A connection takes no new exchanges; those in flight go on.
    case connectionDraining(connection: UInt64, reason: CloseReason)
    /// A connection is gone; `age` counts from its opening.
    case connectionClosed(connection: UInt64, route: Route, reason: CloseReason, age: Duration)

    // Exchanges, by their number in the engine: begun once and ended once.

    /// A request was accepted.
    case exchangeBegun(exchange: UInt64, method: String, route: Route)
    /// A request waits for a connection.
    case exchangeQueued(exchange: UInt64, route: Route, waitsFor: WaitCause)
    /// A request goes out on a connection.
    case exchangeStarted(exchange: UInt64, connection: UInt64, isReused: Bool)
    /// The final head has come.
    case exchangeResponded(exchange: UInt64, status: Int)
    /// A request is sent again, because of this error.
    case exchangeReplayed(exchange: UInt64, error: TransportError)
    /// A response was received whole; its last bytes may still wait for their reader.
    case exchangeCompleted(ExchangeSummary)
    /// An exchange failed.
    case exchangeFailed(ExchangeSummary, error: TransportError)
    /// The caller cancelled an exchange, or dropped its response unread.
    case exchangeCancelled(ExchangeSummary)

    // The engine.

    /// The engine takes no new requests.
    case shutdownStarted(drain: Duration)
    /// Nothing is left of the engine but these lines: the routes that were cut.
    case shutdownFinished(cut: [String])
    /// The engine was dropped without `shutdown`: idle connections are closed, exchanges in flight
    /// go on.
    case engineDropped(connections: Int, exchanges: Int)
}

/// An exchange that has ended, in numbers.
public struct ExchangeSummary: Sendable {
    /// Its number in the engine.
    public let exchange: UInt64
    /// The request's method.
    public let method: String
    public let route: Route
    /// The last connection that it went out on; `nil` when it never did.
    public package(set) var connection: UInt64?
    /// What that connection spoke: "http/1.1" or "h2".
    public package(set) var protocolName: String?
    /// Whether that connection had carried an exchange before.
    public package(set) var isReused = false
    /// The final status; `nil` when no head came.
    public package(set) var status: Int?
    /// How often the request was sent again.
    public package(set) var replays = 0
    /// From the call to the end.
    public package(set) var duration = Duration.zero
    /// Bytes of the request's body given to the connection.
    public package(set) var bytesSent: UInt64 = 0
    /// Bytes of the response's body received.
    public package(set) var bytesReceived: UInt64 = 0

    package init(exchange: UInt64, method: String, route: Route) {
        self.exchange = exchange
        self.method = method
        self.route = route
    }
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
        /// The server's certificates, its own first: the verified chain, or what it sent where
        /// nothing was verified or an earlier session was resumed.
        public var certificates: [CertificateFacts] = []

        public init(
            version: String, cipher: String, alpn: String?, isResumed: Bool,
            certificates: [CertificateFacts] = []
        ) {
            self.version = version
            self.cipher = cipher
            self.alpn = alpn
            self.isResumed = isResumed
            self.certificates = certificates
        }
    }

    public init(protocolName: String, remoteAddress: String, tls: TLSFacts?) {
        self.protocolName = protocolName
        self.remoteAddress = remoteAddress
        self.tls = tls
    }
}
