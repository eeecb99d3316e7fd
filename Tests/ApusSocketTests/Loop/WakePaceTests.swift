import ApusCore
import ApusSocket
import Testing

/// When a loop rests, and for how long.
@Suite struct WakePaceTests {
    private let start = Deadline(nanoseconds: 1_000_000)
    private let busy = WakePace.minLoad

    private func pace(_ interval: Duration? = .microseconds(100)) -> WakePace {
        var pace = WakePace(interval: interval)
        pace.woke(load: busy, now: start)
        return pace
    }

    private func after(_ time: Duration) -> Deadline { start.advanced(by: time) }

    @Test(arguments: [(0, 100), (1, 99), (80, 20)])
    func aBusyLoopRestsUntilTheIntervalIsOver(spent: Int, rest: Int) {
        var pace = pace()
        #expect(pace.rest(load: busy, now: after(.microseconds(spent))) == .microseconds(rest))
    }

    @Test(arguments: [81, 100, 1_000])
    func aLoopThatHadWorkToDoGoesOnAtOnce(spent: Int) {
        var pace = pace()
        #expect(pace.rest(load: busy, now: after(.microseconds(spent))) == nil)
    }

    @Test func aLoopWithFewExchangesNeverRests() {
        var pace = pace()
        #expect(pace.rest(load: busy - 1, now: start) == nil)
        // One that has just become busy rests from its next wake-up on.
        pace.woke(load: busy - 1, now: start)
        #expect(pace.rest(load: busy, now: start) == nil)
        pace.woke(load: busy, now: start)
        #expect(pace.rest(load: busy, now: start) == .microseconds(100))
    }

    @Test func aLoopWithoutIntervalNeverRestsAndReadsNoClock() {
        var pace = WakePace(interval: nil)
        var readings = 0
        func now() -> Deadline {
            readings += 1
            return start
        }
        pace.woke(load: busy, now: now())
        #expect(pace.rest(load: busy, now: now()) == nil)
        #expect(readings == 0)
    }

    @Test func afterARestInVainSomeWaitsGoWithoutOne() {
        var pace = pace()
        #expect(pace.rest(load: busy, now: start) != nil)
        pace.restedInVain()
        for _ in 0..<WakePace.waitsAfterVainRest {
            #expect(pace.rest(load: busy, now: start) == nil)
        }
        #expect(pace.rest(load: busy, now: start) != nil)
    }
}
