import ApusCore
import ApusHTTP2
import Testing

/// A socket that stays full, in times that the test makes up.
@Suite struct HTTP2OutputWatchTests {
    private let start = Deadline(nanoseconds: 1_000_000_000_000)

    private func watch(writeTimeout: Duration? = .seconds(30)) -> HTTP2OutputWatch {
        var tuning = EngineTuning.HTTP2()
        tuning.suspectAfter = .seconds(2)
        tuning.writeTimeout = writeTimeout
        return HTTP2OutputWatch(tuning)
    }

    private func at(_ seconds: Int) -> Deadline { start.advanced(by: .seconds(seconds)) }

    @Test func aSocketThatTakesNothingIsSuspectThenTheEnd() {
        var watch = watch()
        #expect(watch.isFlowing)
        #expect(watch.flushed(unsent: 100, hasMoved: true, now: at(0)) == nil)
        #expect(!watch.isFlowing)
        #expect(watch.nextDeadline == at(2))
        #expect(watch.deadlineReached(now: at(1), pending: 100) == nil)
        #expect(watch.deadlineReached(now: at(2), pending: 100) == .suspect)
        for second in stride(from: 4, to: 30, by: 2) {
            #expect(watch.nextDeadline == at(second))
            #expect(watch.deadlineReached(now: at(second), pending: 100) == nil)
        }
        #expect(watch.deadlineReached(now: at(30), pending: 100) == .end)
        #expect(watch.nextDeadline == nil)
    }

    @Test func aByteThatIsTakenBeginsTheTimeAnew() {
        var watch = watch()
        _ = watch.flushed(unsent: 100, hasMoved: true, now: at(0))
        #expect(watch.deadlineReached(now: at(2), pending: 99) == nil)
        #expect(watch.nextDeadline == at(4))
        #expect(watch.deadlineReached(now: at(4), pending: 99) == .suspect)
        // A stalled output is looked at again long before its end.
        #expect(watch.deadlineReached(now: at(6), pending: 98) == .trust)
        #expect(watch.nextDeadline == at(8))
    }

    @Test func aFlushShowsMovementToo() {
        var watch = watch()
        _ = watch.flushed(unsent: 100, hasMoved: true, now: at(0))
        #expect(watch.flushed(unsent: 100, hasMoved: false, now: at(1)) == nil)
        #expect(watch.nextDeadline == at(2))
        #expect(watch.flushed(unsent: 120, hasMoved: true, now: at(1)) == nil)
        #expect(watch.nextDeadline == at(3))
        #expect(watch.deadlineReached(now: at(3), pending: 120) == .suspect)
        #expect(watch.flushed(unsent: 60, hasMoved: false, now: at(3)) == .trust)
        #expect(watch.flushed(unsent: 0, hasMoved: true, now: at(4)) == nil)
        #expect(watch.isFlowing)
        #expect(watch.nextDeadline == nil)
    }

    @Test func aSocketThatEmptiesWhileItIsSuspectIsTrusted() {
        var watch = watch()
        _ = watch.flushed(unsent: 100, hasMoved: true, now: at(0))
        #expect(watch.deadlineReached(now: at(2), pending: 100) == .suspect)
        #expect(watch.deadlineReached(now: at(4), pending: 0) == .trust)
        #expect(watch.isFlowing)
    }

    @Test func withoutAWriteTimeoutNothingIsWatched() {
        var watch = watch(writeTimeout: nil)
        #expect(watch.flushed(unsent: 100, hasMoved: false, now: at(0)) == nil)
        #expect(watch.nextDeadline == nil)
    }

    @Test func aShortWriteTimeoutIsTheTimeOfSuspicionToo() {
        var watch = watch(writeTimeout: .seconds(1))
        _ = watch.flushed(unsent: 100, hasMoved: true, now: at(0))
        #expect(watch.nextDeadline == at(1))
        #expect(watch.deadlineReached(now: at(1), pending: 100) == .suspect)
        #expect(watch.deadlineReached(now: at(1), pending: 100) == .end)
    }
}
