/// A cheap view of an engine with a caller's own choices: make one per request if you like.
///
/// A client holds no connection and owns no pool, so any number of them share the engine's.
public struct ExecutorClient: HTTPTransport {
    private let transport: any HTTPTransport
    /// How its requests reach their origin, unless one says otherwise.
    public let proxy: ProxySetting
    /// Keeps its connections apart from those of other scopes.
    public let isolation: IsolationScope?
    /// Which HTTP versions its requests may use, unless one says otherwise.
    public let versions: HTTPVersionPolicy

    public init(
        _ transport: any HTTPTransport, proxy: ProxySetting = .inherit,
        isolation: IsolationScope? = nil, versions: HTTPVersionPolicy = .automatic
    ) {
        self.transport = transport
        self.proxy = proxy
        self.isolation = isolation
        self.versions = versions
    }

    /// Sends a request with this client's choices where the options make none.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        var options = options
        if options.proxy == .inherit { options.proxy = proxy }
        options.isolation = options.isolation ?? isolation
        options.versions = options.versions ?? versions
        return try await transport.send(request, body: body, options: options)
    }
}
