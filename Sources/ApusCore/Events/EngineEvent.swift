/// One step in the life of a connection, of an exchange, or of the engine.
///
/// Routes and errors in it hold no secret. Cases may be added: switch over it with a `default`.
public enum EngineEvent: Sendable {
    // Connections, by their number in the engine.

    /// A connection is being made.
    case dialStarted(connection: UInt64, route: Route)
    /// The host's name resolved to these addresses.
    case resolved(connection: UInt64, addresses: [String])
    /// A host's name cannot be looked up for the moment, and the addresses of so long ago serve
    /// instead (`dial.staleCacheTime`).
    case staleAddressesUsed(host: String, age: Duration, failure: String)
    /// TCP connected to this address: the proxy's when there is one.
    case connected(connection: UInt64, address: String)
    /// The TLS handshake with an `https` proxy is complete.
    case proxySecured(connection: UInt64, proxy: String, tls: ConnectionFacts.TLSFacts)
    /// The proxy asked for credentials (407) and is answered once.
    case proxyChallenged(connection: UInt64, proxy: String)
    /// The proxy opened a tunnel to the next proxy or to the origin; a proxy that forwards requests
    /// opens none.
    case tunnelled(connection: UInt64, proxy: String)
    /// The TLS handshake with the origin is complete.
    case secured(connection: UInt64, tls: ConnectionFacts.TLSFacts)
    /// One step of a TLS handshake took 100 ms or more of CPU time, during which its event loop did
    /// nothing else: the peer chose expensive keys.
    case handshakeStepWasSlow(connection: UInt64, step: Duration)
    /// A dial failed.
    case dialFailed(connection: UInt64, error: TransportError)
    /// A connection is established and may carry exchanges.
    case connectionOpened(connection: UInt64, route: Route, facts: ConnectionFacts)
    /// A connection gets no new exchanges; those in flight continue.
    case connectionDraining(connection: UInt64, reason: CloseReason)
    /// A connection is closed; `age` counts from its opening.
    case connectionClosed(connection: UInt64, route: Route, reason: CloseReason, age: Duration)

    // Exchanges, by their number in the engine: each begins once and ends once.

    /// A request was accepted.
    case exchangeBegun(
        exchange: UInt64, method: String, route: Route, metadata: RequestMetadata? = nil)
    /// A request waits for a connection.
    case exchangeQueued(
        exchange: UInt64, route: Route, waitsFor: WaitCause, metadata: RequestMetadata? = nil)
    /// A request is sent on a connection.
    case exchangeStarted(exchange: UInt64, connection: UInt64, isReused: Bool)
    /// The head of the final response has arrived.
    case exchangeResponded(exchange: UInt64, status: Int)
    /// The first bytes of the final response's body have arrived; a body without any has no event.
    case exchangeBodyBegan(exchange: UInt64)
    /// The peer has been silent in this wait for so long (`RequestOptions.stallNotice`); the
    /// exchange goes on.
    case exchangeStalled(exchange: UInt64, wait: ExchangeWait, silence: Duration)
    /// A request is sent again, because of this error.
    case exchangeReplayed(exchange: UInt64, error: TransportError)
    /// A response was received whole; its last bytes may not have been read yet.
    case exchangeCompleted(ExchangeSummary)
    /// An exchange failed.
    case exchangeFailed(ExchangeSummary, error: TransportError)
    /// The caller cancelled an exchange, or dropped its response unread.
    case exchangeCancelled(ExchangeSummary)

    // Ways.

    /// HTTP/2 has failed on this route's way as often as it may: from now on requests that leave
    /// the version open speak HTTP/1.1 there, for so long (`http2.learnsBrokenRoutes`).
    case http2Avoided(route: Route, because: [HTTP2Evidence], for: Duration)
    /// The last event streams on this route's way, so many in a row, arrived whole at their end: a
    /// hop buffers each response before it passes it on. Reported once for a way, until a stream
    /// arrives over its time.
    case responsesBuffered(route: Route, streams: Int)
    /// A proxy is failing: for so long no connection is made through it to this host and port, or
    /// to any when `target` is `nil`; then one dial probes it (`pool.proxyBackoff`).
    case proxyFailing(proxy: String, target: String?, because: [ProxyFailure], for: Duration)
    /// A proxy that was failing works again.
    case proxyRecovered(proxy: String, target: String?)

    // The engine.

    /// The engine accepts no new requests.
    case shutdownStarted(drain: Duration)
    /// The engine has shut down; these are the routes whose exchanges were cut.
    case shutdownFinished(cut: [String])
    /// The engine was released without `shutdown`: idle connections are closed, exchanges in flight
    /// continue.
    case engineDropped(connections: Int, exchanges: Int)
}
