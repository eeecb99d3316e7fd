import AsyncHTTPClient
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// Forwarding by AsyncHTTPClient: a client for each login at a proxy, since a client has one.
final class ClientUpstream: Upstream {
    private let origin: String
    private let group: any EventLoopGroup
    private let configuration: HTTPClient.Configuration
    private let direct: HTTPClient
    /// The clients of credentials with a proxy, made when they are first used.
    private let proxied = Mutex<[Int: HTTPClient]>([:])

    /// Makes clients on the server's loop, which saves a change of threads.
    init(to origin: String, authority: String?, on group: any EventLoopGroup) {
        self.origin = origin
        self.group = group
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        // The defaults are 8 connections, and a dead proxy that is dialled until the timeout.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 10_000
        configuration.connectionPool.retryConnectionEstablishment = false
        if let authority {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(authority)
            configuration.tlsConfiguration = tls
        }
        self.configuration = configuration
        direct = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    func send(
        _ request: Hummingbird.Request, with credential: Credential
    ) async throws -> Hummingbird.Response {
        var outbound = HTTPClientRequest(url: origin + (request.head.path ?? "/"))
        outbound.method = HTTPMethod(rawValue: request.method.rawValue)
        outbound.headers = headers(request.headers)
        outbound.headers.replaceOrAdd(name: "authorization", value: credential.authorization)
        outbound.body = .stream(request.body, length: length(request))
        let response = try await client(for: credential).execute(outbound, timeout: .hours(1))
        return Hummingbird.Response(
            status: .init(code: Int(response.status.code)), headers: fields(response.headers),
            body: .init { writer in
                for try await piece in response.body { try await writer.write(piece) }
                try await writer.finish(nil)
            })
    }

    func isUnsent(_ error: any Error) -> Bool {
        error is NIOConnectionError || (error as? HTTPClientError) == .connectTimeout
    }

    private func client(for credential: Credential) -> HTTPClient {
        guard let port = credential.proxyPort else { return direct }
        return proxied.withLock { clients in
            if let client = clients[credential.number] { return client }
            var own = configuration
            own.proxy = .server(
                host: "127.0.0.1", port: port,
                authorization: .basic(
                    username: credential.user, password: Credential.password))
            let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: own)
            clients[credential.number] = client
            return client
        }
    }

    private func length(_ request: Hummingbird.Request) -> HTTPClientRequest.Body.Length {
        request.declaredLength.map { .known(Int64($0)) } ?? .unknown
    }

    /// The fields of one connection only (RFC 9110, section 7.6.1).
    private static let hopByHop: Set<HTTPField.Name> = [
        .connection, .transferEncoding, .te, .upgrade, .proxyAuthorization, .proxyAuthenticate,
    ]

    private func headers(_ fields: HTTPFields) -> HTTPHeaders {
        var headers = HTTPHeaders()
        for field in fields where !Self.hopByHop.contains(field.name) {
            headers.add(name: field.name.rawName, value: field.value)
        }
        return headers
    }

    private func fields(_ headers: HTTPHeaders) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in headers {
            guard let name = HTTPField.Name(name), !Self.hopByHop.contains(name) else { continue }
            fields.append(HTTPField(name: name, value: value))
        }
        return fields
    }
}
