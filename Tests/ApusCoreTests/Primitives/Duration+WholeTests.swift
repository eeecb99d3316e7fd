import ApusCore
import Testing

/// Durations as whole numbers are clamped and never trap.
@Suite struct DurationWholeTests {
    @Test(arguments: nanoseconds)
    func aDurationInNanosecondsIsClamped(duration: Duration, nanoseconds: Int64) {
        #expect(duration.nanoseconds == nanoseconds)
    }

    @Test(arguments: milliseconds)
    func millisecondsAreRoundedUpSoThatNoWaitEndsEarly(duration: Duration, milliseconds: Int64) {
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

/// Durations as messages have them.
@Suite struct DurationWordsTests {
    @Test(arguments: [
        (Duration.seconds(4), "4 s"), (.seconds(90), "90 s"), (.milliseconds(1500), "1.5 s"),
        (.milliseconds(1005), "1.005 s"), (.milliseconds(250), "250 ms"),
        (.milliseconds(999), "999 ms"),
        (.microseconds(200), "0.2 ms"), (.microseconds(1050), "1.05 ms"), (.nanoseconds(1), "0 ms"),
        (.zero, "0 ms"), (.seconds(3600), "3600 s"),
    ])
    func aDurationHasTheUnitThatFits(duration: Duration, words: String) {
        #expect(duration.words == words)
    }
}

/// What a wait grows to.
@Suite struct DurationDoublingTests {
    @Test(arguments: [
        (Duration.seconds(1), 0, Duration.seconds(60), Duration.seconds(1)),
        (.seconds(1), -3, .seconds(60), .seconds(1)), (.seconds(1), 1, .seconds(60), .seconds(2)),
        (.seconds(1), 5, .seconds(60), .seconds(32)), (.seconds(1), 6, .seconds(60), .seconds(60)),
        (.seconds(1), .max, .seconds(60), .seconds(60)), (.zero, .max, .seconds(60), .zero),
        (.seconds(-1), 3, .seconds(60), .zero), (.seconds(9), 0, .seconds(5), .seconds(5)),
        (.seconds(1), 3, .seconds(-1), .zero), (.seconds(1), 3, .zero, .zero),
    ])
    func aDurationDoublesUpToABound(
        _ first: Duration, _ times: Int, _ most: Duration, _ expected: Duration
    ) {
        #expect(first.doubled(times, upTo: most) == expected)
    }
}
