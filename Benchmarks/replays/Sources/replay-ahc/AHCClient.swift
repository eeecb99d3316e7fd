import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import ReplayCore
import Synchronization

/// A client of AsyncHTTPClient for each proxy and login, since a client has one.
final class AHCClient: ReplayClient {
    private let configuration: HTTPClient.Configuration
    /// The clients by their proxy, made when they are first used.
    private let clients = Mutex<[String: HTTPClient]>([:])

    init(_ settings: ReplaySettings) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(settings.authority)
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        if let seconds = settings.connectTimeout {
            configuration.timeout.connect = .seconds(Int64(seconds))
        }
        self.configuration = configuration
    }

    func send(_ request: ReplayRequest) async throws -> ReplayHead {
        var outbound = HTTPClientRequest(url: request.url)
        outbound.method = HTTPMethod(rawValue: request.method)
        if request.bodyLength > 0 {
            outbound.body = .bytes(ByteBuffer(repeating: 0x78, count: request.bodyLength))
        }
        let response = try await client(for: request.proxy ?? "")
            .execute(outbound, timeout: .hours(1))
        return ReplayHead(
            status: Int(response.status.code), version: response.version == .http2 ? "2" : "1.1"
        ) {
            var length = 0
            for try await piece in response.body { length += piece.readableBytes }
            return length
        }
    }

    /// Ends all clients, as each must be before it goes.
    func shutdown() async throws {
        for client in clients.withLock({ Array($0.values) }) { try await client.shutdown() }
    }

    private func client(for proxy: String) -> HTTPClient {
        clients.withLock { clients in
            if let client = clients[proxy] { return client }
            var own = configuration
            own.proxy = Self.proxy(proxy)
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: own)
            clients[proxy] = client
            return client
        }
    }

    /// Reads "http://user:password@host:port", or the same without a login.
    private static func proxy(_ text: String) -> HTTPClient.Configuration.Proxy? {
        let rest = text.dropFirst("http://".count)
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[colon...].dropFirst())
        else { return nil }
        let parts = rest[..<colon].split(separator: "@")
        guard let host = parts.last else { return nil }
        guard parts.count == 2 else { return .server(host: String(host), port: port) }
        let login = parts[0].split(separator: ":").map(String.init)
        return .server(
            host: String(host), port: port,
            authorization: .basic(username: login[0], password: login.last ?? ""))
    }
}
