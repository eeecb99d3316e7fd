/// Whatever can send a request: an engine, a client, a stub in a test, a wrapper around another.
public protocol HTTPTransport: Sendable {
    /// Sends a request and returns as soon as its final head has come; the body follows as it is
    /// read.
    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response
}

extension HTTPTransport {
    /// Sends a request; without more to say there is no body and no option is set.
    public func send(
        _ request: HTTPRequest, body: RequestBody = .empty, options: RequestOptions = .init()
    ) async throws(TransportError) -> Response {
        try await send(request, body: body, options: options)
    }
}
