/// A cheap view of a transport with a caller's own choices: make one per request if you like.
///
/// A client holds no connection and owns no pool, so any number of them share the engine's. What it
/// has no opinion on stays as the transport behind it has it.
public struct ExecutorClient: HTTPTransport {
    /// What sends the requests: the very one that was given, never a copy.
    public let transport: any HTTPTransport
    /// How its requests reach their origin, unless one says otherwise.
    public let proxy: ProxySetting
    /// Keeps its connections apart from those of other scopes.
    public let isolation: IsolationScope?
    /// Which HTTP versions its requests may use, unless one says otherwise; `nil` has no opinion.
    public let versions: HTTPVersionPolicy?
    /// From the call to the last byte, unless a request says otherwise (`RequestOptions.unlimited`
    /// lifts it); `nil` is no limit.
    public let timeout: Duration?

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

    /// Sends a request with this client's choices where the options make none.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        try await transport.send(request, body: body, options: self.options(over: options))
    }
}
