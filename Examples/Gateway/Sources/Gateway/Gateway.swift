package import Apus
import ApusObservability
import CoreMetrics
package import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
package import ServiceLifecycle
import UnixSignals

/// A gateway: a server in front, its upstreams, and what watches both.
package final class Gateway: Sendable {
    package let configuration: GatewayConfiguration
    /// The engine of all upstreams without one of their own.
    package let engine: TransportEngine
    /// The engine that fetches lists of models at the start; it has the default settings.
    package let plain: TransportEngine
    package let upstreams: [UpstreamService]
    package let models: ModelLists
    package let journal: Journal
    package let metrics = PrometheusMetrics()
    package let proxies = ProxyHealth()
    package let started = ContinuousClock.now
    private let clients = ClientConnections()
    private let logger: Logger

    /// Makes the engines and the upstreams; nothing is dialled.
    ///
    /// - Throws: what is wrong with the configuration.
    package init(_ configuration: GatewayConfiguration, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        journal = Journal(logger: logger, metrics: metrics)
        let observer = ObserverGroup([
            LoggingObserver(logger), MetricsObserver(factory: metrics), proxies,
        ])
        var tuning = EngineTuning.executor
        tuning.eventLoops = configuration.eventLoops
        let engine = try TransportEngine(tuning, observer: observer)
        self.engine = engine
        plain = try TransportEngine()
        upstreams = try configuration.upstreams.map { [journal, clients] in
            try UpstreamService(
                $0, proxy: configuration.proxy, shared: engine, observer: observer,
                journal: journal, clients: clients)
        }
        models = ModelLists(upstreams, over: plain, logger: logger)
    }

    /// The services to run, for a group or inside of another program.
    ///
    /// - Parameter onRunning: is called with the port once the gateway listens.
    package func services(onRunning: @escaping @Sendable (Int) async -> Void = { _ in })
        -> [any Service]
    {
        let application = Application(
            responder: CallbackResponder { [self] in await respond(to: $0, $1) },
            server: .http1(
                configuration: .init(additionalChannelHandlers: self.clients.makeHandlers())),
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port), backlog: 1024),
            onServerRunning: { await onRunning($0.localAddress?.port ?? 0) }, logger: logger)
        // Services end in reverse order: the engines first, while the server refuses new requests.
        let engines = [engine, plain] + upstreams.map(\.engine).filter { $0 !== engine }
        return [application, models]
            + engines.map { EngineService($0, drain: configuration.drain) }
    }

    /// Runs until SIGTERM or SIGINT, then drains.
    package func run(onRunning: @escaping @Sendable (Int) async -> Void = { _ in }) async throws {
        let group = ServiceGroup(
            configuration: .init(
                services: services(onRunning: onRunning),
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    /// Answers the gateway's own paths, and forwards all others.
    private func respond(
        to request: Hummingbird.Request, _ context: GatewayContext
    ) async -> Hummingbird.Response {
        let path = (request.head.path ?? "/").prefix { $0 != "?" }
        switch (request.method, path) {
        case (.get, "/status"): return StatusReport(self).response(to: request)
        case (.get, "/metrics"): return metricsResponse
        case (.get, "/v1/models") where models.hasLists: return models.response
        default: break
        }
        let candidates = upstreams.compactMap { upstream in
            upstream.match(path).map { (upstream, length: $0) }
        }
        guard let (upstream, _) = candidates.max(by: { $0.length < $1.length }) else {
            return Refusal(.notFound, "no upstream serves this path").response
        }
        return await upstream.forwarder.forward(request, from: context.channel)
    }

    private var metricsResponse: Hummingbird.Response {
        Hummingbird.Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: metrics.text)))
    }
}

/// A request's context: Hummingbird's own, and the client's connection.
package struct GatewayContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    package let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
