import Apus
import Loopback
import Testing

/// Runs a test's body with an origin and an engine that an observer listens to.
func withObservedEngine(
    _ observer: (any EngineObserver)? = nil,
    _ body: (TransportEngine, LoopbackServer) async throws -> Void
) async throws {
    let server = try LoopbackServer(LoopbackServer.Options(tls: nil))
    var tuning = EngineTuning.executor
    tuning.pool.acquireTimeout = .seconds(300)
    tuning.pool.idleTimeout = nil
    let engine = try TransportEngine(tuning, observer: observer)
    do {
        try await body(engine, server)
    } catch {
        await engine.shutdown()
        server.stop()
        throw error
    }
    await engine.shutdown()
    server.stop()
}

/// Waits until a condition holds; a guard against hanging, not a measure of time.
func eventually(_ what: String, _ condition: () -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: .seconds(300))
    while !condition() {
        guard clock.now < end else {
            Issue.record("never happened: \(what)")
            return
        }
        try await clock.sleep(for: .milliseconds(2))
    }
}
