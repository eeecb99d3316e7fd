package import Apus
package import Hummingbird
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Fetches the list of models of each upstream that has one, once at the start.
///
/// The engine is a plain one with the default settings: nothing that the gateway sets for its
/// upstreams reaches it.
package final class ModelLists: Service {
    /// The longest list that is read.
    package static let maxBytes = 8 << 20

    private let upstreams: [UpstreamService]
    private let client: ExecutorClient
    private let logger: Logger
    private let lists = Mutex<[String: String]>([:])

    package init(_ upstreams: [UpstreamService], over engine: TransportEngine, logger: Logger) {
        self.upstreams = upstreams.filter { $0.configuration.models != nil }
        client = ExecutorClient(engine, timeout: .seconds(10))
        self.logger = logger
    }

    /// Whether an upstream is configured to have a list; without one its path is passed through.
    package var hasLists: Bool { !upstreams.isEmpty }

    /// Fetches the lists, then waits for the shutdown.
    package func run() async throws {
        for upstream in upstreams {
            do throws(TransportError) {
                try await fetch(upstream)
            } catch {
                logger.warning("no list of models", metadata: ["error": "\(error)"])
            }
        }
        try? await gracefulShutdown()
    }

    private func fetch(_ upstream: UpstreamService) async throws(TransportError) {
        let url = "\(upstream.origin)\(upstream.configuration.models ?? "/")"
        let response = try await client.send(.get(url))
        let list = try await response.body.collect(upTo: Self.maxBytes)
        guard response.status == .ok else { return }
        lists.withLock { $0[upstream.configuration.name] = String(list) }
    }

    /// All lists as one JSON object, by the names of their upstreams.
    package var response: Hummingbird.Response {
        let lists = lists.withLock { $0 }.sorted { $0.key < $1.key }
        let json = lists.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        return Hummingbird.Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(string: "{\(json)}")))
    }
}
