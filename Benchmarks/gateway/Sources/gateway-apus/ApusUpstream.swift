import Apus
import ApusNIO
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore

/// Forwarding by Apus: one engine, and a client for each request.
struct ApusUpstream: Upstream {
    private let engine: TransportEngine
    private let scheme: String
    private let authority: String
    /// The way of each credential.
    private let proxies: [ProxySetting]

    init(_ engine: TransportEngine, to origin: String, _ credentials: Credentials) throws {
        self.engine = engine
        let parts = origin.split(separator: "://", maxSplits: 1)
        scheme = String(parts.first ?? "http")
        authority = String(parts.last ?? "")
        proxies = try credentials.all.map { credential in
            guard let port = credential.proxyPort else { return .direct }
            let login = "\(credential.user):\(Credential.password)"
            return try ProxySetting(parsing: "http://\(login)@127.0.0.1:\(port)")
        }
    }

    func send(
        _ request: Hummingbird.Request, with credential: Credential
    ) async throws -> Hummingbird.Response {
        var outbound = request.head.removingHopByHopFields()
        outbound.scheme = scheme
        outbound.authority = authority
        outbound.headerFields[.authorization] = credential.authorization
        let upload = request.body
        let client = ExecutorClient(engine, proxy: proxies[credential.number])
        let response = try await client.send(
            outbound, body: .oneShot(length: request.declaredLength) { upload.map { Bytes($0) } })
        let head = response.head.removingHopByHopFields()
        return Hummingbird.Response(
            status: head.status, headers: head.headerFields,
            body: .init { writer in
                for try await piece in response.body {
                    try await writer.write(ByteBuffer(piece))
                }
                try await writer.finish(nil)
            })
    }

    func isUnsent(_ error: any Error) -> Bool {
        guard let error = error as? TransportError else { return false }
        return error.replay == .notSent && error.advice == .sendAgainElsewhere
    }
}
