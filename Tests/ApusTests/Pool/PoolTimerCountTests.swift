import Apus
import ApusSocket
import Loopback
import Testing

/// The pool has one timer, however many instants it has had in mind.
@Suite(.timeLimit(.minutes(5))) struct PoolTimerCountTests {
    @Test func earlierInstantsLeaveNoTimers() async throws {
        var tuning = EngineTuning.executor
        tuning.pool.dialBackoff = .milliseconds(1)
        tuning.pool.maxDialBackoff = .milliseconds(1)
        try await withStand(.http1, tuning: tuning) { stand in
            // Idle for 90 s: an instant far away.
            _ = try await stand.get("/").body.collect(upTo: 100)
            // Each refused dial holds its route back for a moment: an instant that comes earlier.
            for _ in 0..<50 {
                let error = await transportError {
                    _ = try await stand.client.send(.get("http://127.0.0.1:1/"))
                }
                #expect(error?.phase == .connect)
            }
            let loop = try #require(stand.engine.taskExecutor as? EventLoop)
            let timers = await Task(executorPreference: loop) { loop.timerCount }.value
            #expect(timers <= 2)
        }
    }
}
