import HTTPTypes
public import Hummingbird

/// A client that sends what the gateway forwards: the only part in which candidates differ.
public protocol Upstream: Sendable {
    /// Sends a request with a credential and returns when the head of the response has arrived.
    ///
    /// The body is streamed in both directions.
    func send(_ request: Request, with credential: Credential) async throws -> Response

    /// Whether the error says that the request never left, so that it may be sent with another
    /// credential.
    func isUnsent(_ error: any Error) -> Bool
}

/// The forwarding core: each request goes to the upstream with the next credential.
struct Gateway<Client: Upstream>: HTTPResponder {
    typealias Context = BasicRequestContext

    /// The number of credentials that are tried for a request.
    private static var maxTries: Int { 5 }

    let upstream: Client
    let credentials: Credentials

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        for _ in 0..<Self.maxTries {
            do {
                return try await upstream.send(request, with: credentials.take())
            } catch  where upstream.isUnsent(error) {
                continue
            }
        }
        return Response(status: .badGateway)
    }
}

extension Request {
    /// The length of the body as declared: 0 without a body, `nil` when only its end will tell.
    public var declaredLength: UInt64? {
        if let value = headers[.contentLength] { return UInt64(value) }
        return headers[.transferEncoding] == nil ? 0 : nil
    }
}
