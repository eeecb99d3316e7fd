import ApusContent
import Testing

@Suite struct ContentLimitsTests {
    @Test func theRatioAppliesBeyondTheFloor() {
        let limits = ContentLimits(maxRatio: 10, ratioFloor: 100)
        #expect(limits.allowance(for: 0).bytes == 100)
        #expect(limits.allowance(for: 10).bytes == 100)
        #expect(limits.allowance(for: 11).bytes == 110)
        #expect(limits.allowance(for: .max).bytes == .max)
        #expect(limits.allowance(for: 11).isRatio)
    }

    @Test func theLowerOfBothLimitsApplies() {
        let limits = ContentLimits(maxBytes: 105, maxRatio: 10, ratioFloor: 100)
        #expect(limits.allowance(for: 0).bytes == 100)
        #expect(limits.allowance(for: 11).bytes == 105)
        #expect(!limits.allowance(for: 11).isRatio)
    }
}
