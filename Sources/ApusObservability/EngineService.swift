public import Apus
public import ServiceLifecycle

/// An engine as a service of swift-service-lifecycle: a graceful shutdown drains it.
///
/// Put it before the services that send requests: services end in reverse order, so theirs are over
/// when the engine's turn comes. Cancellation cuts at once what the drain would have waited for.
public struct EngineService: Service {
    private let engine: TransportEngine
    private let drain: Duration

    /// - Parameter drain: how long exchanges in flight may go on once shutdown has begun.
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
            // Cancelled before anybody asked nicely.
            drain = .zero
        }
        await withTaskCancellationHandler {
            _ = await engine.shutdown(drain: drain)
        } onCancel: {
            Task { _ = await engine.shutdown(drain: .zero) }
        }
    }
}
