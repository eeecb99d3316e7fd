import Apus
import ApusObservability
import CoreMetrics
import Logging
import ServiceLifecycle
import Tracing
import UnixSignals

/// The code of the guide `ApusObservability`, word for word: it compiles, and no test runs it.
private enum GuideExamples {
    static func observing(_ logger: Logger) throws {
        let observer = ObserverGroup([LoggingObserver(logger), MetricsObserver()])
        let engine = try TransportEngine(.executor, observer: observer)
        _ = engine
    }

    static func measuring(_ factory: any MetricsFactory) {
        let metrics = MetricsObserver(factory: factory, maxSeries: 500) { route, metadata in
            [("proxy", route.proxies.isEmpty ? "none" : "some"), ("tenant", metadata?.tag ?? "")]
        }
        _ = metrics
    }

    static func tracing(_ engine: TransportEngine, _ tracer: some Tracer) {
        let traced = TracingTransport(engine, tracer: tracer, propagation: .requestFields)
        let client = ExecutorClient(traced, isolation: "credential-42")
        _ = client
    }

    static func serving(
        _ engine: TransportEngine, _ app: any Service, _ logger: Logger
    ) async throws {
        let service = EngineService(engine, drain: .seconds(5), serving: app)
        let group = ServiceGroup(
            services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await group.run()
    }
}
