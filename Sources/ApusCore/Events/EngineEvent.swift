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
