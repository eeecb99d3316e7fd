/// A type that sends requests: an engine, a client, a stub in a test, or a wrapper of another
/// transport.
public protocol HTTPTransport: Sendable {
    /// Sends a request and returns when the final head has arrived; the body is then read from the
    /// response.
    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response
}

extension HTTPTransport {
    /// Sends a request, by default without a body and with default options.
    public func send(
        _ request: HTTPRequest, body: RequestBody = .empty, options: RequestOptions = .init()
    ) async throws(TransportError) -> Response {
        try await send(request, body: body, options: options)
    }
}
