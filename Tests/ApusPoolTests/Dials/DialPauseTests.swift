import Testing

@testable import ApusPool

/// How long the pause after a failed dial is, and what counts as a failure.
@Suite struct DialPauseTests {
    private let limits = DialPause.Limits(first: 100, most: 1000)

    private func fail(
        _ pause: inout DialPause, began: Int64, now: Int64, chance: UInt64 = 0
    ) -> Int64? {
        pause.failed(.failure, began: began, before: 0, now: now, limits, chance: chance)
    }

    @Test func itDoublesWithEachFailureUpToItsBound() {
        var pause = DialPause()
        var now: Int64 = 0
        for whole in [100, 200, 400, 800, 1000, 1000] as [Int64] {
            let end = fail(&pause, began: now, now: now + 1)
            #expect(end == now + 1 + whole)
            #expect(pause.lasts(at: now + whole))
            #expect(pause.followsFailure(at: now + whole))
            #expect(!pause.lasts(at: now + 1 + whole))
            now += 1 + whole
        }
    }

    @Test func chanceShortensItByAHalfAtMost() {
        for chance in [0, 1, 512, 1023, .max] as [UInt64] {
            var pause = DialPause()
            let limits = DialPause.Limits(first: 1 << 20, most: 1 << 20)
            let end = pause.failed(
                .failure, began: 0, before: 0, now: 0, limits, chance: chance)
            #expect(end.map { $0 <= 1 << 20 && $0 > 1 << 19 } == true)
        }
    }

    @Test func dialsThatFailSideBySideAreOneFailure() {
        var pause = DialPause()
        #expect(fail(&pause, began: 0, now: 10) == 110)
        #expect(fail(&pause, began: 5, now: 20) == nil)
        #expect(pause.failures == 1)
        #expect(fail(&pause, began: 110, now: 120) == 320)
        #expect(pause.failures == 2)
    }

    @Test func aDialThatBeganBeforeAnotherSucceededIsNoFailure() {
        var pause = DialPause()
        pause.succeeded(50)
        #expect(fail(&pause, began: 49, now: 60) == nil)
        #expect(!pause.lasts(at: 60))
        #expect(fail(&pause, began: 50, now: 60) == 160)
    }

    @Test func aDemandForCalmIsNoFailedDialButGrowsAsOne() {
        var pause = DialPause()
        for (now, whole) in [(0, 100), (1000, 200), (2000, 400)] as [(Int64, Int64)] {
            let before = pause.failures
            pause.succeeded(now)
            let end = pause.failed(
                .calm, began: now, before: before, now: now + 1, limits, chance: 0)
            #expect(end == now + 1 + whole)
            #expect(pause.lasts(at: now + 2))
            #expect(!pause.followsFailure(at: now + 2))
        }
    }

    @Test func onlyAPauseThatFollowsAFailureEndsWhenWhatFailedHasChanged() {
        var pause = DialPause()
        _ = fail(&pause, began: 0, now: 1)
        pause.retry()
        #expect(!pause.lasts(at: 2))
        _ = pause.failed(.calm, began: 3, before: 0, now: 4, limits, chance: 0)
        pause.retry()
        #expect(pause.lasts(at: 5))
    }

    @Test func aPauseWhoseTimeIsOverEnds() {
        var pause = DialPause()
        _ = fail(&pause, began: 0, now: 0)
        #expect(pause.rest(at: 99) == 100)
        #expect(pause.rest(at: 100) == nil)
        #expect(pause.end == nil)
    }

    @Test func whenItIsOffThereIsNone() {
        var pause = DialPause()
        let off = DialPause.Limits(first: nil, most: 1000)
        #expect(
            pause.failed(.failure, began: 0, before: 0, now: 1, off, chance: 0) == nil)
        #expect(!pause.lasts(at: 1))
    }
}
