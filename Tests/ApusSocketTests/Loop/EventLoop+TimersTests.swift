import ApusCore
import ApusSocket
import LoopFixtures
import Testing

/// Timers fire in order, never early, and never once cancelled.
@Suite(.timeLimit(.minutes(5))) struct EventLoopTimersTests {
    @Test func timersFireInTheOrderOfTheirDeadlines() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            let start = Deadline.now()
            await loop.wait { done in
                for delay in [5, 1, 4, 2, 3] {
                    _ = loop.schedule(at: start.advanced(by: .milliseconds(delay))) {
                        recorder.record(delay)
                    }
                }
                _ = loop.schedule(at: start.advanced(by: .milliseconds(6)), done)
            }
            #expect(recorder.values == [1, 2, 3, 4, 5])
        }
    }

    @Test("no timer fires before its deadline, nor when the loop rests", arguments: [0, 16])
    func noTimerFiresBeforeItsDeadline(load: Int) async throws {
        try await withLoop(wakeInterval: .milliseconds(1), load: load) { loop in
            let early = Recorder<Duration>()
            for delay in [0, 1, 3, 7] as [Int64] {
                await loop.wait { done in
                    let deadline = Deadline.now().advanced(by: .microseconds(delay * 1100))
                    _ = loop.schedule(at: deadline) {
                        if Deadline.now() < deadline { early.record(deadline.since(.now())) }
                        #expect(loop.isCurrent)
                        done()
                    }
                }
            }
            #expect(early.values.isEmpty)
        }
    }

    @Test func aCancelledTimerNeverFires() async throws {
        try await withLoop { loop in
            let recorder = Recorder<String>()
            let start = Deadline.now()
            await loop.wait { done in
                let cancelled = loop.schedule(at: start.advanced(by: .milliseconds(1))) {
                    recorder.record("cancelled")
                }
                let late = loop.schedule(at: start.advanced(by: .milliseconds(3))) {
                    recorder.record("cancelled by another")
                }
                _ = loop.schedule(at: start.advanced(by: .milliseconds(2))) {
                    recorder.record("kept")
                    loop.cancel(late)
                }
                loop.cancel(cancelled)
                loop.cancel(cancelled)
                _ = loop.schedule(at: start.advanced(by: .milliseconds(4)), done)
            }
            #expect(recorder.values == ["kept"])
        }
    }

    @Test func aTimerThatFiredMayStillBeCancelled() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            await loop.wait { done in
                let first = loop.schedule(at: .now()) { recorder.record(1) }
                _ = loop.schedule(at: Deadline.now().advanced(by: .milliseconds(1))) {
                    loop.cancel(first)
                    recorder.record(2)
                    done()
                }
            }
            #expect(recorder.values == [1, 2])
        }
    }

    @Test func aTimerLetsGoOfWhatItHeldOnceFiredOrCancelled() async throws {
        final class Held: Sendable {}
        try await withLoop { loop in
            let survivors = await loop.run {
                var timers: [LoopTimer] = []
                weak var held: Held?
                do {
                    let object = Held()
                    held = object
                    timers.append(loop.schedule(at: Deadline(nanoseconds: .max)) { _ = object })
                }
                let isHeldWhilePlanned = held != nil
                for timer in timers { loop.cancel(timer) }
                return [isHeldWhilePlanned, held != nil]
            }
            #expect(survivors == [true, false])
        }
    }

    @Test func aTimerSetByATimerFires() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            await loop.wait { done in
                func plan(_ index: Int) {
                    guard index < 5 else { return done() }
                    _ = loop.schedule(at: Deadline.now().advanced(by: .microseconds(200))) {
                        recorder.record(index)
                        plan(index + 1)
                    }
                }
                plan(0)
            }
            #expect(recorder.values == [0, 1, 2, 3, 4])
        }
    }

    @Test func aTimerThatNeverComesDelaysNothing() async throws {
        try await withLoop { loop in
            _ = await loop.run { _ = loop.schedule(at: Deadline(nanoseconds: .max)) {} }
            #expect(await loop.run { loop.isCurrent })
        }
    }
}
