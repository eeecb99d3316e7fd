import ApusCore
import ApusSocket
import LoopFixtures
import Testing

/// A busy loop, which rests between its wake-ups, does all that another one does.
@Suite(.timeLimit(.minutes(5))) struct EventLoopLoadTests {
    /// Gives the body a loop that carries as many exchanges as make it rest.
    private func withBusyLoop(_ body: (EventLoop) async throws -> Void) async throws {
        try await withLoop(wakeInterval: .milliseconds(1), load: WakePace.minLoad, body)
    }

    @Test func workOfOthersIsRunInOrder() async throws {
        try await withBusyLoop { loop in
            let recorder = Recorder<Int>()
            for index in 0..<1000 {
                loop.execute { recorder.record(index) }
                if index % 100 == 0 { _ = await loop.run { index } }
            }
            #expect(await loop.run { recorder.values } == Array(0..<1000))
        }
    }

    @Test func itEndsWhenItIsStopped() async throws {
        for _ in 0..<20 { try await withBusyLoop { _ in } }
    }
}
