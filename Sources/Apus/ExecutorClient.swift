/// A cheap view of a transport with a caller's own defaults; one may be made per request.
///
/// A client holds no connection and owns no pool, so any number of clients share an engine's. A
/// choice that it leaves open is made by its transport.
public struct ExecutorClient: HTTPTransport {
    /// The transport that sends the requests, as it was passed.
    public let transport: any HTTPTransport
    /// The proxies for requests whose options name none.
    public let proxy: ProxySetting
    /// The scope for requests whose options name none; connections are shared within a scope only.
    public let isolation: IsolationScope?
    /// The HTTP versions for requests whose options name none; `nil` leaves the choice to the
    /// transport.
    public let versions: HTTPVersionPolicy?
    /// The total timeout of requests whose options have none (`RequestOptions.unlimited` removes
    /// it); `nil` is no limit.
    public let timeout: Duration?

    /// Creates a client over a transport; without further arguments it leaves every choice open.
    public init(
        _ transport: any HTTPTransport, proxy: ProxySetting = .inherit,
        isolation: IsolationScope? = nil, versions: HTTPVersionPolicy? = nil,
        timeout: Duration? = nil
    ) {
        self.transport = transport
        self.proxy = proxy
        self.isolation = isolation
        self.versions = versions
        self.timeout = timeout
    }

    /// Sends a request, with this client's choices where the options have none.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        try await transport.send(request, body: body, options: self.options(over: options))
    }
}
