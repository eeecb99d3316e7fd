import ApusRetry
import Testing

/// The token bucket of further tries.
@Suite struct RetryBudgetTests {
    private let start = ContinuousClock.now

    @Test func theBurstIsSpentAndThenNoMore() {
        var tokens = RetryTokens(ratio: 0, perSecond: 0, burst: 2)
        #expect(tokens.withdraw(now: start) == true)
        #expect(tokens.withdraw(now: start) == true)
        #expect(tokens.withdraw(now: start) == false)
        #expect(tokens.withdraw(now: start.advanced(by: .seconds(3600))) == false)
    }

    @Test func eachRequestDepositsItsPart() {
        var tokens = RetryTokens(ratio: 0.25, perSecond: 0, burst: 1)
        #expect(tokens.withdraw(now: start) == true)
        for _ in 0..<3 { tokens.requestStarted() }
        #expect(tokens.withdraw(now: start) == false)
        tokens.requestStarted()
        #expect(tokens.withdraw(now: start) == true)
        #expect(tokens.balance == 0)
    }

    @Test func timeDepositsToo() {
        var tokens = RetryTokens(ratio: 0, perSecond: 2, burst: 4)
        for _ in 0..<4 { #expect(tokens.withdraw(now: start) == true) }
        #expect(tokens.withdraw(now: start.advanced(by: .milliseconds(499))) == false)
        #expect(tokens.withdraw(now: start.advanced(by: .milliseconds(500))) == true)
        #expect(tokens.withdraw(now: start.advanced(by: .milliseconds(999))) == false)
        #expect(tokens.withdraw(now: start.advanced(by: .seconds(1))) == true)
    }

    @Test func theBalanceNeverExceedsTheBurst() {
        var tokens = RetryTokens(ratio: 1, perSecond: 1, burst: 3)
        for _ in 0..<100 { tokens.requestStarted() }
        #expect(tokens.balance == 3)
        #expect(tokens.withdraw(now: start) == true)
        #expect(tokens.withdraw(now: start.advanced(by: .seconds(1000))) == true)
        #expect(tokens.balance == 2)
    }

    @Test func aClockThatGoesBackCreditsNoTimeTwice() {
        var tokens = RetryTokens(ratio: 0, perSecond: 1, burst: 2)
        let later = start.advanced(by: .seconds(10))
        #expect(tokens.withdraw(now: later) == true)
        #expect(tokens.withdraw(now: start) == true)
        #expect(tokens.withdraw(now: later) == false)
    }

    @Test func valuesBelowZeroAreZero() {
        var tokens = RetryTokens(ratio: -1, perSecond: -1, burst: -1)
        tokens.requestStarted()
        #expect(tokens.balance == 0)
        #expect(tokens.withdraw(now: start) == false)
        #expect(RetryBudget(burst: -1).balance == 0)
        #expect(RetryBudget().balance == 100)
    }
}
