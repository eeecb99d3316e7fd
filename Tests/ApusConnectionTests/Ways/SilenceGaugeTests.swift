import ApusConnection
import ApusCore
import Testing

/// Which silences a connection has outlived, by what left and came on it.
@Suite struct SilenceGaugeTests {
    private func at(_ seconds: Double) -> Deadline {
        Deadline(nanoseconds: 1_000_000_000_000).advanced(by: .seconds(seconds))
    }

    @Test func aSilenceBeyondTheLimitIsReported() {
        var gauge = SilenceGauge(.seconds(10), now: at(0))
        gauge.sent(100, now: at(5))
        #expect(gauge.received(sent: 100, now: at(15)) == nil)
        #expect(gauge.received(sent: 100, now: at(26)) == .seconds(11))
        #expect(gauge.received(sent: 100, now: at(27)) == nil)
    }

    @Test func whatLeftInBetweenIsNoSilence() {
        var gauge = SilenceGauge(.seconds(10), now: at(0))
        gauge.sent(100, now: at(1))
        // Nothing has left since.
        gauge.sent(100, now: at(12))
        #expect(gauge.received(sent: 100, now: at(13)) == .seconds(12))
        gauge.sent(200, now: at(20))
        #expect(gauge.received(sent: 200, now: at(29)) == nil)
        // When the rest left is not known.
        #expect(gauge.received(sent: 300, now: at(60)) == nil)
        #expect(gauge.received(sent: 300, now: at(71)) == .seconds(11))
    }
}
