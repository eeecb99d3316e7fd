public import HTTPTypes

/// Options of one request; each `nil` leaves the choice to the client.
public struct RequestOptions: Sendable {
    /// How a request shares connections.
    public enum Reuse: Sendable, Hashable {
        /// An idle connection or a new one, which is kept afterwards.
        case pooled
        /// A new connection, which is kept afterwards.
        case fresh
        /// A new connection, which is closed afterwards.
        case oneShot
        /// An idle connection or a new one, which is closed afterwards.
        ///
        /// An HTTP/2 connection gets no other request from then on and closes after its last
        /// exchange.
        case pooledThenClosed
    }

    /// No limit, for a request whose client or engine has one.
    public static let unlimited = Duration.seconds(Int64.max)

    /// The maximum number of further proxies.
    public static let maxProxyAlternatives = 16

    /// The time from the call to the last byte; `nil`, the default, uses the client's limit, and
    /// `unlimited` removes it.
    public var totalTimeout: Duration?
    /// The time from the request's start to the final head, the wait for a connection and the
    /// upload included; `nil`, the default, is no limit.
    public var headTimeout: Duration?
    /// The time from the request's last byte to the final head; `nil`, the default, is no limit.
    ///
    /// It begins when the system or the HTTP/2 window has taken that byte, so a slow upload does
    /// not count. A head that comes before the request has left whole is in time.
    public var responseTimeout: Duration?
    /// The time from the final head to the first byte of the body, or to its end; `nil`, the
    /// default, uses `readIdleTimeout`.
    public var firstByteTimeout: Duration?
    /// The time without bytes from the peer, while the response's body is awaited; `nil`, the
    /// default, is no limit.
    public var readIdleTimeout: Duration?
    /// The time in which the peer takes no byte of the request, while some are ready to leave;
    /// `nil`, the default, is no limit.
    ///
    /// Over HTTP/1.1 the socket takes them, over HTTP/2 the windows do too. A slow producer of the
    /// body does not count. The error comes up to a quarter of the time late.
    public var writeIdleTimeout: Duration?
    /// The silence of the peer after which `EngineEvent.exchangeStalled` is reported, once for each
    /// silence, and the exchange goes on; `nil`, the default, reports none.
    ///
    /// It counts in each of the waits on a connection: for the peer to take the request, for the
    /// final head after it, for the body's first byte, and for the next. Only an engine with an
    /// observer reports.
    public var stallNotice: Duration?
    /// How long the request waits in the queue for a connection; `nil`, the default, uses
    /// `EngineTuning.Pool.acquireTimeout`.
    ///
    /// The time while a connection is being made for the request does not count. The error is a
    /// `.timeout` in phase `.pool`.
    public var acquireTimeout: Duration?
    /// How long the request waits for a connection that is being made for it; `nil`, the default,
    /// waits as long as the dial takes (`EngineTuning.Dial.connectTimeout`).
    ///
    /// It counts from the start of that dial. Other requests may wait for the dial too, so its own
    /// limits stay: a longer time here does not extend them. The error is a `.timeout` in phase
    /// `.connect`.
    public var connectTimeout: Duration?
    /// Whether the request waits for the pause after a failed dial
    /// (`EngineTuning.Pool.dialBackoff`) and for the next dial; `false` by default.
    ///
    /// Otherwise a request that arrives in that pause, while no connection of its route is open,
    /// fails at once with the error of the failed dial. No request waits for a proxy that is
    /// failing (`EngineTuning.Pool.proxyBackoff`).
    public var waitsOutBackoff = false
    /// How the request shares connections; `pooled` by default.
    public var reuse = Reuse.pooled
    /// The HTTP versions that it may use; `nil`, the default, uses the client's.
    public var versions: HTTPVersionPolicy?
    /// The scope that it shares connections with; `nil`, the default, uses the client's.
    public var isolation: IsolationScope?
    /// The proxies that it goes through; `inherit`, the default, leaves the choice to the client.
    public var proxy = ProxySetting.inherit
    /// Further proxies, each a `.proxy` or a `.chain`, at most `maxProxyAlternatives`; none by
    /// default.
    ///
    /// When the request fails at a proxy and no byte of it has left, it goes on with the next one,
    /// in order. `totalTimeout` and `headTimeout` cover all tries. Each is an exchange of its own
    /// for an observer; `ExchangeInfo.tries` and `TransportError.tries` list them, if there were
    /// several. A request for a raw tunnel tries no other proxy.
    public var proxyAlternatives: [ProxySetting] = []
    /// Where to connect instead of the origin's own address; `nil`, the default, connects to the
    /// origin.
    public var connectTo: ConnectTarget?
    /// The protocol to switch to, as in "websocket", by `Upgrade` (RFC 9110, section 7.8); `nil`,
    /// the default, requests none.
    ///
    /// Several may be named, separated by commas, in order of preference. The request uses HTTP/1.1
    /// and has no body, and an http proxy tunnels it. When the peer switches (101), the response
    /// has a `duplex`; otherwise it is an ordinary response.
    public var upgrade: String?
    /// Called with each informational (1xx) response as it arrives, before the final one; `nil` by
    /// default.
    ///
    /// It is called on the connection's thread, so it must return at once. There are at most
    /// `limits.informationalResponses` calls; `Response.informational` has all of them.
    public var onInformational: (@Sendable (HTTPResponse) -> Void)?
    /// The priority, sent as the `Priority` field (RFC 9218) unless the request has that field.
    ///
    /// `nil`, the default, sends none.
    public var priority: RequestPriority?
    /// Whether the method may be CONNECT or TRACE; `false` by default.
    ///
    /// CONNECT turns the connection into a tunnel, and TRACE makes the peer send the fields back,
    /// credentials included: neither should happen because an untrusted party chose the method of a
    /// forwarded request. An extended CONNECT, which names a protocol (RFC 8441), is always
    /// allowed.
    public var allowsConnectAndTrace = false
    /// Whether the request may be sent again after a failure of unknown effect, as with an
    /// `Idempotency-Key` field; `false` by default.
    public var isIdempotent = false

    /// The program's own facts about the request, for its events, logs, metrics and errors; `nil`
    /// by default.
    public var metadata: RequestMetadata?

    /// Creates the default options.
    public init() {}
}
