import ApusCore
import ApusHTTP2
import Testing

/// When bodies have waited for the connection's window for too long: incident A16.
@Suite struct HTTP2WindowWatchTests {
    private func at(_ milliseconds: Int64) -> Deadline {
        Deadline(nanoseconds: milliseconds * 1_000_000)
    }

    /// What the watch reports for a window that is closed, or not, at these milliseconds.
    private func play(
        _ steps: [(Int64, isClosed: Bool)], limit: Duration? = .milliseconds(50)
    ) -> [HTTP2WindowWatch.Change?] {
        var watch = HTTP2WindowWatch(limit: limit)
        return steps.map { time, isClosed in watch.observe(isClosed: isClosed, now: at(time)) }
    }

    @Test func aWindowThatOpensSoonIsNoCongestion() {
        let steps = (0..<100).map { (Int64($0) * 40, $0.isMultiple(of: 2)) }
        #expect(play(steps).allSatisfy { $0 == nil })
    }

    /// It opens one round trip later, and what waited longer is congested though it is open now.
    @Test(arguments: [true, false]) func aWaitOfTheLimitIsCongestion(isClosed: Bool) {
        #expect(play([(0, true), (49, true), (50, isClosed)]) == [nil, nil, .congested])
    }

    @Test func aWindowThatOpensForAMomentIsNotCleared() {
        #expect(
            play([(0, true), (50, false), (51, true), (100, false), (101, true), (150, false)])
                == [nil, .congested, nil, nil, nil, nil])
    }

    @Test func aWindowThatStaysOpenIsCleared() {
        #expect(
            play([(0, true), (60, true), (70, false), (109, false), (110, false), (111, true)])
                == [nil, .congested, nil, nil, .cleared, nil])
        // And may be congested again.
        #expect(
            play([(0, true), (60, false), (110, false), (111, true), (161, true)])
                == [nil, .congested, .cleared, nil, .congested])
    }

    @Test func noLimitReportsNothing() {
        #expect(play([(0, true), (9000, true)], limit: nil) == [nil, nil])
    }

    @Test func theClockIsNotReadWhileTheWindowIsOpen() {
        var watch = HTTP2WindowWatch(limit: .milliseconds(50))
        func never() -> Deadline {
            Issue.record("the clock was read")
            return at(0)
        }
        #expect(watch.observe(isClosed: false, now: never()) == nil)
    }
}
