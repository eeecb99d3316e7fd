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
}
