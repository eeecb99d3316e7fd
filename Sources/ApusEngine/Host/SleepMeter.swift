import ApusCore
import ApusSocket

/// How long the system has slept, by two clocks of which one goes on in its sleep.
struct SleepMeter {
    /// What is no sleep yet.
    static let minimum = Duration.seconds(5)

    private var gap: Duration

    init(_ clocks: ClockPair) {
        gap = clocks.whole.since(clocks.awake)
    }

    /// How long the system has slept since the last look; `nil` when it has not.
    mutating func look(_ clocks: ClockPair) -> Duration? {
        let before = gap
        gap = clocks.whole.since(clocks.awake)
        return gap - before >= Self.minimum ? gap - before : nil
    }
}
