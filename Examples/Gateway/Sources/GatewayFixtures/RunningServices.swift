package import Logging
package import ServiceLifecycle

/// A server and the services beside it, running in a group of their own until they are stopped.
package final class RunningServices: Sendable {
    /// The port that the server listens on.
    package let port: Int
    private let group: ServiceGroup
    private let run: Task<Void, any Error>

    /// Starts services, one of which calls `onRunning` with its port.
    ///
    /// - Throws: the error of the group when it ends without having listened.
    package init(
        logger: Logger, _ make: (@escaping @Sendable (Int) async -> Void) -> [any Service]
    ) async throws {
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let group = ServiceGroup(services: make { continuation.yield($0) }, logger: logger)
        run = Task {
            defer { continuation.finish() }
            try await group.run()
        }
        self.group = group
        guard let port = await ports.first(where: { _ in true }) else {
            try await run.value
            throw CancellationError()
        }
        self.port = port
    }

    deinit {
        run.cancel()
    }

    /// Begins a graceful shutdown.
    package func beginShutdown() async {
        await group.triggerGracefulShutdown()
    }

    /// Waits for the end of all services.
    package func end() async throws {
        try await run.value
    }

    /// Shuts down gracefully, and returns when everything has ended.
    package func stop() async throws {
        await beginShutdown()
        try await end()
    }

    /// Cancels all services, and returns when everything has ended.
    package func cut() async {
        run.cancel()
        _ = await run.result
    }
}
