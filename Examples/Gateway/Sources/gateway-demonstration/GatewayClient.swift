import Apus

/// A client of the gateway.
struct GatewayClient: Sendable {
    let gateway: String
    let transport: any HTTPTransport

    func post(
        _ path: String, _ body: RequestBody = .bytes(Bytes("{}"))
    ) async throws(TransportError) -> Response {
        try await transport.send(.post(gateway + path), body: body)
    }

    func get(_ path: String) async throws(TransportError) -> Response {
        try await transport.send(.get(gateway + path))
    }
}
