import ApusCore
import ApusSocket
import Testing

@testable import ApusEngine

/// When the system has slept, by two clocks.
@Suite struct SleepMeterTests {
    private func clocks(awake: Double, whole: Double) -> ClockPair {
        let start = Deadline(nanoseconds: 0)
        return ClockPair(
            awake: start.advanced(by: .seconds(awake)), whole: start.advanced(by: .seconds(whole)))
    }

    @Test func timeInWhichBothClocksGoOnIsNoSleep() {
        var meter = SleepMeter(clocks(awake: 10, whole: 500))
        #expect(meter.look(clocks(awake: 10, whole: 500)) == nil)
        #expect(meter.look(clocks(awake: 100_000, whole: 100_490)) == nil)
        // The clocks are not read at the same instant.
        #expect(meter.look(clocks(awake: 100_001, whole: 100_491.1)) == nil)
    }

    @Test func whatOneClockHasGainedIsSleep() {
        var meter = SleepMeter(clocks(awake: 10, whole: 500))
        #expect(meter.look(clocks(awake: 11, whole: 506)) == .seconds(5))
        #expect(meter.look(clocks(awake: 12, whole: 507)) == nil, "it is reported once")
        #expect(meter.look(clocks(awake: 13, whole: 28_808)) == .seconds(28_300))
    }

    @Test func aShortSleepIsNotAddedToTheNext() {
        var meter = SleepMeter(clocks(awake: 0, whole: 0))
        #expect(meter.look(clocks(awake: 1, whole: 5.9)) == nil)
        #expect(meter.look(clocks(awake: 2, whole: 11.8)) == nil)
    }
}
