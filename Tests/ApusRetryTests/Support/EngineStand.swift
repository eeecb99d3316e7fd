import Apus

/// Runs a test's body with an engine that has time, and ends it whatever happens.
func withEngine(_ body: (TransportEngine) async throws -> Void) async throws {
    var tuning = EngineTuning.executor
    tuning.pool.acquireTimeout = .seconds(300)
    tuning.pool.hedgeDelay = nil
    // A next try waits until the connection of the last one is free or closed.
    tuning.pool.maxConnectionsPerHost = 1
    tuning.dial.connectTimeout = .seconds(300)
    tuning.dial.userTimeout = nil
    // The layers alone decide here.
    tuning.limits.replays = 0
    let engine = try TransportEngine(tuning)
    do {
        try await body(engine)
    } catch {
        await engine.shutdown()
        throw error
    }
    await engine.shutdown()
}
