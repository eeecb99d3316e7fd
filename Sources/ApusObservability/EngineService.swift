public import Apus
public import ServiceLifecycle

/// An engine as a service of swift-service-lifecycle: a graceful shutdown drains it.
///
/// A group shuts its services down one after the other, the last one first, and begins with the
/// next when the one before it has ended. So an engine learns of the shutdown in time only together
/// with the server whose requests it sends:
///
///     EngineService(engine, drain: .seconds(5), serving: app)
///
/// runs both, and takes the server's place in the group. Both are shut down at the same time,
/// wherever that place is: the server stops to listen, its exchanges have `drain` to finish, and
/// the engine takes requests until then.
///
/// Without a server, put the service before those that send requests: their requests have ended
/// when its turn comes. Cancellation cuts exchanges at once instead of draining.
public struct EngineService: Service {
    private let engine: TransportEngine
    private let drain: Duration
    private let server: (any Service)?

    /// Creates a service for an engine.
    ///
    /// - Parameters:
    ///   - engine: the engine, which the service ends.
    ///   - drain: how long exchanges in flight may continue after shutdown began; 30 s by default.
    ///   - server: a service that sends requests, run together with the engine; several are passed
    ///     as a `ServiceGroup`. The engine ends when it has ended. `nil`, the default, runs none.
    public init(
        _ engine: TransportEngine, drain: Duration = .seconds(30),
        serving server: (any Service)? = nil
    ) {
        self.engine = engine
        self.drain = drain
        self.server = server
    }

    /// Runs the server, if there is one, until the graceful shutdown, then ends the engine.
    ///
    /// - Throws: the error of the server.
    public func run() async throws {
        guard let server else { return await drainAfterShutdown() }
        // Cancelled when the server has ended, and awaited in any case.
        async let _: Void = cutAfterDrain()
        try await server.run()
    }

    /// Refuses new requests from the graceful shutdown on.
    private func drainAfterShutdown() async {
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

    /// Ends the engine when the drain is over or the task is cancelled; takes requests until then.
    private func cutAfterDrain() async {
        do {
            try await gracefulShutdown()
            try await Task.sleep(for: drain)
        } catch {
            // The server has ended, or the group cancels its services.
        }
        _ = await engine.shutdown(drain: .zero)
    }
}
