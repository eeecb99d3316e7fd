import ApusRetry
import Testing

@Suite struct RotationPolicyTests {
    @Test func thePauseDoublesUpToItsLimit() {
        var policy = RotationPolicy()
        policy.pause = .seconds(1)
        policy.maxPause = .seconds(5)
        #expect(
            [0, 1, 2, 3, 4, 1000].map { policy.pause(after: $0) }
                == [1, 1, 2, 4, 5, 5].map { .seconds($0) })
        policy.pause = .seconds(-1)
        #expect(policy.pause(after: 5) == .zero)
        policy.pause = .seconds(Int64.max)
        #expect(policy.pause(after: 5) == policy.maxPause)
    }

    @Test(arguments: [(Int.min, 1), (1, 1), (100, 100), (101, 100)])
    func aRequestTriesFromOneToAHundredChoices(limit: Int, tries: Int) {
        var policy = RotationPolicy()
        policy.limit = limit
        #expect(policy.tries == tries)
    }
}
