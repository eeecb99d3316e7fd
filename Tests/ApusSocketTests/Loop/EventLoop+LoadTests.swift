import ApusCore
import ApusSocket
import LoopFixtures
import Testing

/// A busy loop, which rests between its wake-ups, does all that another one does.
@Suite(.timeLimit(.minutes(5))) struct EventLoopLoadTests {
    /// Gives the body a loop that carries as many exchanges as make it rest.
    private func withBusyLoop(_ body: (EventLoop) async throws -> Void) async throws {
        let loop = try EventLoop(name: "apus-test", wakeInterval: .milliseconds(1))
        await loop.run { loop.load = WakePace.minLoad }
        do { try await body(loop) } catch {
            await EventLoop.stopAndJoin([loop])
            throw error
        }
        await EventLoop.stopAndJoin([loop])
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

    @Test func timersFireAndNeverEarly() async throws {
        try await withBusyLoop { loop in
            let early = Recorder<Duration>()
            for delay in [0, 1, 3, 7] as [Int64] {
                await loop.wait { done in
                    let deadline = Deadline.now().advanced(by: .microseconds(delay * 1100))
                    _ = loop.schedule(at: deadline) {
                        if Deadline.now() < deadline { early.record(deadline.since(.now())) }
                        done()
                    }
                }
            }
            #expect(early.values.isEmpty)
        }
    }

    @Test func itEndsWhenItIsStopped() async throws {
        for _ in 0..<20 { try await withBusyLoop { _ in } }
    }
}
