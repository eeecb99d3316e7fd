import Apus
import HTTPTypes
import ReplayCore

/// One engine, and a client for each request.
struct ApusClient: ReplayClient {
    let engine: TransportEngine

    func send(_ request: ReplayRequest) async throws -> ReplayHead {
        let proxy = try request.proxy.map { try ProxySetting(parsing: $0) } ?? .direct
        let outbound = try HTTPRequest(
            HTTPRequest.Method(request.method) ?? .get, url: request.url)
        let body = Bytes([UInt8](repeating: 0x78, count: request.bodyLength))
        let response = try await ExecutorClient(engine, proxy: proxy).send(
            outbound, body: request.bodyLength == 0 ? .empty : .bytes(body))
        return ReplayHead(
            status: response.status.code, version: response.version == .http2 ? "2" : "1.1"
        ) {
            var length = 0
            for try await piece in response.body { length += piece.count }
            return length
        }
    }
}
