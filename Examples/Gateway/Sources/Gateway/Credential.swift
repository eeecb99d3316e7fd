package import Apus
package import ApusRetry

/// One credential of an upstream: its secret, its way out, and the scope of its connections.
///
/// It is a transport that makes a client for each request. All of them share the engine's pool, in
/// which the proxy and the scope keep the connections of credentials apart.
package struct Credential: HTTPTransport {
    package let name: String
    package let proxy: ProxySetting
    private let maxRequests: Int?
    private let isolation: IsolationScope?
    private let versions: HTTPVersionPolicy?
    private let field: HTTPField
    private let engine: TransportEngine

    /// The fields in which clients may send a credential of their own, which is never passed on.
    private static let clientFields: [HTTPField.Name] =
        [.authorization, .proxyAuthorization, .cookie] + ["X-Api-Key"].compactMap { .init($0) }

    package init(
        _ configuration: GatewayConfiguration.Credential,
        of upstream: GatewayConfiguration.Upstream, defaultProxy: String,
        over engine: TransportEngine
    ) throws {
        name = configuration.name
        proxy = try ProxySetting(parsing: configuration.proxy ?? defaultProxy)
        maxRequests = configuration.maxRequests
        isolation = configuration.scope.map { IsolationScope($0) }
        versions = upstream.http1Only ? .http1Only(alpn: .omit) : nil
        field = try HTTPField(
            checkingName: upstream.credentialField,
            value: upstream.credentialPrefix + configuration.secret)
        self.engine = engine
    }

    package func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Apus.Response {
        var request = request
        for name in Self.clientFields { request.headerFields[name] = nil }
        request.headerFields[field.name] = field.value
        let client = ExecutorClient(engine, proxy: proxy, isolation: isolation, versions: versions)
        return try await client.send(request, body: body, options: options)
    }

    /// The credential as a choice of a rotation, with its limit.
    package var choice: Choice {
        guard let maxRequests else { return Choice(name, transport: self) }
        return Choice(name, transport: ConcurrencyLimit(maxRequests, over: self))
    }
}
