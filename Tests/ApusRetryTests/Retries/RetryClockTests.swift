import ApusRetry
import Testing

/// The system's clock; every other test moves a clock of its own.
@Suite(.timeLimit(.minutes(5))) struct RetryClockTests {
    private let clock = RetryClock()

    @Test func theClockOfTheSystemMoves() async throws {
        let start = clock.now()
        try await clock.sleep(start)
        #expect(clock.now() >= start)
        // 2025-01-01; a machine whose clock is older is not set.
        #expect(clock.wallTime() > 1_735_689_600)
    }

    @Test func aWaitEndsWithItsTask() async {
        let clock = clock
        let task = Task { try await clock.sleep(clock.now().advanced(by: .seconds(3600))) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
