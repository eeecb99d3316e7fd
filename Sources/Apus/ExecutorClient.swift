import ApusConnection

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
    /// The other time limits of requests whose options have none; none by default.
    public var timeouts: RequestTimeouts { heldTimeouts?.timeouts ?? RequestTimeouts() }
    /// Apart, so that a client without them stays small; `nil` where there are none.
    private let heldTimeouts: HeldTimeouts?
    /// The transport when it is an engine: requests go to it without a frame for each of the two.
    private let engine: TransportEngine?

    /// Creates a client over a transport; without further arguments it leaves every choice open.
    public init(
        _ transport: any HTTPTransport, proxy: ProxySetting = .inherit,
        isolation: IsolationScope? = nil, versions: HTTPVersionPolicy? = nil,
        timeout: Duration? = nil, timeouts: RequestTimeouts = .init()
    ) {
        self.transport = transport
        engine = transport as? TransportEngine
        self.proxy = proxy
        self.isolation = isolation
        self.versions = versions
        self.timeout = timeout
        heldTimeouts = timeouts == RequestTimeouts() ? nil : HeldTimeouts(timeouts)
    }

    /// Sends a request, with this client's choices where the options have none.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        guard let engine, options.proxyAlternatives.isEmpty else {
            return try await forward(request, body, options)
        }
        return try await engine.send(prepare(request, body, options, for: engine))
    }

    /// Not inlined, like `forward`: its temporary values would occupy `send`'s frame for the whole
    /// exchange.
    @inline(never)
    private func prepare(
        _ request: HTTPRequest, _ body: RequestBody, _ options: RequestOptions,
        for engine: TransportEngine
    ) throws(TransportError) -> OutgoingRequest {
        try engine.prepare(request, body, self.options(over: options))
    }

    @inline(never)
    private func forward(
        _ request: HTTPRequest, _ body: RequestBody, _ options: RequestOptions
    ) async throws(TransportError) -> Response {
        try await transport.send(request, body: body, options: self.options(over: options))
    }
}

extension ExecutorClient {
    /// Sets each time limit that is open to this client's.
    func fillTimeouts(of options: inout RequestOptions) {
        if let heldTimeouts { options.fill(from: heldTimeouts.timeouts) }
    }
}

private final class HeldTimeouts: Sendable {
    let timeouts: RequestTimeouts

    init(_ timeouts: RequestTimeouts) {
        self.timeouts = timeouts
    }
}
