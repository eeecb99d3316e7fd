public import Apus
public import ServiceLifecycle

/// An engine as a service of swift-service-lifecycle: a graceful shutdown drains it.
///
/// Put it before the services that send requests: services end in reverse order, so their requests
/// have ended when the engine shuts down. Cancellation cuts exchanges at once instead of draining.
public struct EngineService: Service {
    private let engine: TransportEngine
    private let drain: Duration

    /// Creates a service for an engine.
    ///
    /// - Parameter drain: how long exchanges in flight may continue after shutdown began; 30 s by
    ///   default.
    public init(_ engine: TransportEngine, drain: Duration = .seconds(30)) {
        self.engine = engine
        self.drain = drain
    }

    /// Waits for the graceful shutdown, then ends the engine.
    public func run() async {
        var drain = drain
        do {
            try await gracefulShutdown()
        } catch {
            // Cancelled before a graceful shutdown began.
            drain = .zero
        }
        await withTaskCancellationHandler {
            _ = await engine.shutdown(drain: drain)
        } onCancel: {
            Task { _ = await engine.shutdown(drain: .zero) }
        }
    }
}
