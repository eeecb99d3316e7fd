import ApusRetry
import Testing

@Suite struct RetryPolicyTests {
    @Test func theBoundDoublesUpToItsLimit() {
        var policy = RetryPolicy()
        policy.backoff = .milliseconds(100)
        policy.maxBackoff = .milliseconds(350)
        #expect(
            [2, 3, 4, 5, 100].map { policy.bound(before: $0) }
                == [100, 200, 350, 350, 350].map { .milliseconds($0) })
        policy.backoff = .zero
        #expect(policy.bound(before: 100) == .zero)
        policy.backoff = .seconds(-1)
        #expect(policy.bound(before: 3) == .zero)
        policy.backoff = .seconds(Int64.max)
        #expect(policy.bound(before: 100) == policy.maxBackoff)
        policy.maxBackoff = .seconds(-1)
        #expect(policy.bound(before: 100) == .zero)
    }

    @Test(arguments: [(Int.min, 1), (0, 1), (1, 1), (100, 100), (101, 100)])
    func triesAreFromOneToAHundred(attempts: Int, tries: Int) {
        var policy = RetryPolicy()
        policy.attempts = attempts
        #expect(policy.tries == tries)
    }

    @Test(arguments: [
        (200, false), (299, false), (301, false), (404, false), (408, false), (429, true),
        (500, false), (502, true), (503, true), (504, true), (529, true), (530, false),
    ])
    func theDefaultStatuses(status: Int, mayRepeat: Bool) {
        #expect(RetryPolicy().mayRepeat(status) == mayRepeat)
    }
}
