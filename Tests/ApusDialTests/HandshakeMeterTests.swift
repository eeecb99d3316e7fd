import ApusCore
@testable import ApusDial
import Testing

/// What the steps of handshakes take is added up.
@Suite struct HandshakeMeterTests {
    private func counters(_ meter: HandshakeMeter) -> EngineSnapshot.Counters {
        var counters = EngineSnapshot.Counters()
        meter.fill(&counters)
        return counters
    }

    @Test func nothingIsCountedBeforeTheFirstStep() {
        #expect(counters(HandshakeMeter()) == EngineSnapshot.Counters())
    }

    @Test(
        "a step of 100 ms is slow, and a shorter one is not",
        arguments: [(0, false), (99_999_999, false), (100_000_000, true), (3_000_000_000, true)])
    func slowSteps(nanoseconds: Int64, isSlow: Bool) {
        let meter = HandshakeMeter()
        #expect(meter.took(.nanoseconds(nanoseconds)) == isSlow)
        #expect(counters(meter).slowHandshakeSteps == (isSlow ? 1 : 0))
        #expect(counters(meter).handshakeSeconds == Double(nanoseconds) / 1e9)
    }

    @Test func theSumAndTheLongestStepAreKept() {
        let meter = HandshakeMeter()
        for milliseconds in [250, 500, 125] { _ = meter.took(.milliseconds(milliseconds)) }
        let counters = counters(meter)
        #expect(counters.handshakeSeconds == 0.875)
        #expect(counters.longestHandshakeStepSeconds == 0.5)
        #expect(counters.slowHandshakeSteps == 3)
    }
}
