import Apus
import ApusRetry
import Testing

@Suite struct TimeBudgetTests {
    private let start = ContinuousClock.now

    @Test func whatIsLeftIsTheRestOfTheTimeout() {
        let now = start.advanced(by: .seconds(3))
        #expect(TimeBudget.left(of: nil, from: start, now: now) == nil)
        #expect(TimeBudget.left(of: .seconds(5), from: start, now: now) == .seconds(2))
        #expect(TimeBudget.left(of: .seconds(3), from: start, now: now) == .zero)
        #expect(TimeBudget.left(of: .seconds(2), from: start, now: now) == .zero)
        #expect(TimeBudget.left(of: .seconds(-1), from: start, now: start) == .zero)
    }

    @Test func noLimitStaysNone() {
        #expect(TimeBudget.end(of: RequestOptions.unlimited, from: start) == nil)
        #expect(
            TimeBudget.left(of: RequestOptions.unlimited, from: start, now: start)
                == RequestOptions.unlimited)
    }
}
