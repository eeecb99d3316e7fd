import ApusCore
import Testing

/// Instants and durations are added and compared without ever trapping.
@Suite struct DeadlineTests {
    private let noon = Deadline(nanoseconds: 1_000_000_000_000)

    @Test func deadlinesAreOrderedByTime() {
        let later = noon.advanced(by: .nanoseconds(1))
        #expect(noon < later)
        #expect(!(later < noon))
        #expect(max(noon, later) == later)
        #expect(noon == Deadline(nanoseconds: 1_000_000_000_000))
    }

    @Test(arguments: [
        Duration.zero, .nanoseconds(1), .milliseconds(1), .seconds(3600), .nanoseconds(-1),
        .seconds(-60),
    ])
    func advancingAndSinceAreInverse(duration: Duration) {
        #expect(noon.advanced(by: duration).since(noon) == duration)
        #expect(noon.since(noon.advanced(by: duration)) == .zero - duration)
    }

    // MARK: Saturation

    @Test(arguments: [
        Duration.seconds(Int64.max), .seconds(300 * 366 * 86_400), .nanoseconds(Int.max),
    ])
    func whatLiesBeyondTheClockMeansNever(duration: Duration) {
        #expect(noon.advanced(by: duration) == Deadline(nanoseconds: .max))
        #expect(Deadline(nanoseconds: .max).advanced(by: duration) == Deadline(nanoseconds: .max))
    }

    @Test func neverIsLaterThanAnyInstant() {
        let never = noon.advanced(by: .seconds(Int64.max))
        #expect(noon.advanced(by: .seconds(291 * 365 * 86_400)) < never)
        #expect(never.since(noon) > .seconds(291 * 365 * 86_400))
    }

    @Test func whatLiesBeforeTheClockIsClampedToo() {
        let (first, last) = (Deadline(nanoseconds: .min), Deadline(nanoseconds: .max))
        #expect(Deadline(nanoseconds: -1).advanced(by: .seconds(Int64.min)) == first)
        #expect(first.advanced(by: .nanoseconds(-1)) == first)
        #expect(last.since(first) == .nanoseconds(Int.max))
        #expect(first.since(last) == .nanoseconds(Int.min))
        #expect(first.since(noon) == .nanoseconds(Int.min))
    }

    // MARK: Durations

    @Test(arguments: nanoseconds)
    func aDurationInNanosecondsIsClamped(duration: Duration, nanoseconds: Int64) {
        #expect(duration.nanoseconds == nanoseconds)
    }

    @Test(arguments: milliseconds)
    func millisecondsAreRoundedUpSoThatNobodyWakesEarly(duration: Duration, milliseconds: Int64) {
        #expect(duration.milliseconds == milliseconds)
    }
}

private let second = Duration.seconds(1)

private let nanoseconds: [(Duration, Int64)] = [
    (Duration.zero, 0),
    (Duration.nanoseconds(1), 1),
    (Duration.nanoseconds(-1), -1),
    (Duration.seconds(2), 2_000_000_000),
    (Duration.milliseconds(-1500), -1_500_000_000),
    (Duration(secondsComponent: 0, attosecondsComponent: 999_999_999), 0),
    (Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999), 1),
    (Duration.nanoseconds(Int.max), Int64.max),
    (Duration.nanoseconds(Int.min), Int64.min),
    (Duration.nanoseconds(Int.max) + second, Int64.max),
    (Duration.nanoseconds(Int.min) - second, Int64.min),
    (Duration.seconds(Int.max), Int64.max),
    (Duration.seconds(Int.min), Int64.min),
]

private let milliseconds: [(Duration, Int64)] = [
    (Duration.zero, 0),
    (Duration.nanoseconds(1), 1),
    (Duration.microseconds(999), 1),
    (Duration.milliseconds(1), 1),
    (Duration.nanoseconds(1_000_001), 2),
    (Duration.seconds(5), 5000),
    (Duration.nanoseconds(-1), 0),
    (Duration.milliseconds(-3), -3),
    (Duration.seconds(Int.max), 9_223_372_036_855),
    (Duration.seconds(Int.min), -9_223_372_036_854),
]
