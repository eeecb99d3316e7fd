import Gateway
package import Hummingbird
import HummingbirdCore
import Logging
package import NIOCore
import ServiceLifecycle
import Synchronization

/// An origin on loopback whose answers a script gives, and which counts what arrives.
package final class ScriptedOrigin: Sendable {
    /// Answers a request.
    package typealias Script = @Sendable (Arrival) async throws -> Hummingbird.Response

    /// What has arrived so far.
    package struct Counts: Sendable {
        package var connections = 0
        package var requests = 0
        /// Clients that went while their request was being answered.
        package var gone = 0
        /// The heads of the last requests, the newest last.
        package var heads: [HTTPRequest] = []
        /// Requests by the value of their Authorization field.
        package var byCredential: [String: Int] = [:]
    }

    private static let maxHeads = 50

    private let services: RunningServices
    private let state: State

    /// - Parameter port: 0, the default, lets the system choose.
    package init(port: Int = 0, _ script: @escaping Script) async throws {
        let state = State()
        self.state = state
        var logger = Logger(label: "origin")
        logger.logLevel = .critical
        services = try await RunningServices(logger: logger) { [logger] onRunning in
            let application = Application(
                responder: CallbackResponder { (request, context: GatewayContext) in
                    try await state.respond(Arrival(request, context.channel), script)
                },
                server: .http1(configuration: .init(additionalChannelHandlers: state.handlers())),
                configuration: .init(address: .hostname("127.0.0.1", port: port), backlog: 1024),
                onServerRunning: { await onRunning($0.localAddress?.port ?? 0) }, logger: logger)
            return [application]
        }
    }

    package var port: Int { services.port }
    package var url: String { "http://127.0.0.1:\(port)" }
    package var counts: Counts { state.counts.withLock { $0 } }

    /// Ends at once, whatever is being answered.
    package func cut() async {
        await services.cut()
    }

    package func stop() async throws {
        try await services.stop()
    }

    /// A request and its client.
    package struct Arrival: Sendable {
        package let request: Hummingbird.Request
        package let client: any Channel

        fileprivate init(_ request: Hummingbird.Request, _ client: any Channel) {
            self.request = request
            self.client = client
        }

        package var path: String { request.head.path ?? "" }
        package var credential: String { request.headers[.authorization] ?? "" }

        /// Closes the connection in the middle of whatever is being sent.
        package func cutConnection() {
            client.close(mode: .all, promise: nil)
        }
    }

    private final class State: Sendable {
        let counts = Mutex(Counts())
        let clients = ClientConnections()

        func handlers() -> [any RemovableChannelHandler] {
            counts.withLock { $0.connections += 1 }
            return clients.makeHandlers()
        }

        func respond(_ arrival: Arrival, _ script: Script) async throws -> Hummingbird.Response {
            counts.withLock { counts in
                counts.requests += 1
                counts.byCredential[arrival.credential, default: 0] += 1
                counts.heads.append(arrival.request.head)
                if counts.heads.count > ScriptedOrigin.maxHeads { counts.heads.removeFirst() }
            }
            clients.whenGone(arrival.client) { [self] in counts.withLock { $0.gone += 1 } }
            var response = try await script(arrival)
            let body = response.body
            response.body = .init(contentLength: body.contentLength) { [self] writer in
                defer { clients.whenGone(arrival.client) {} }
                try await body.write(writer)
            }
            return response
        }
    }
}
