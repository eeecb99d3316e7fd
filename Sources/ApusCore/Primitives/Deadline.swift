/// An instant on the monotonic clock: when something is too late.
///
/// Below the transport nobody reads a clock: instants enter as arguments.
public struct Deadline: Sendable, Hashable, Comparable {
    /// Nanoseconds since the clock's own beginning.
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The instant that lies `duration` later; a duration beyond 292 years stands for "never".
    public func advanced(by duration: Duration) -> Deadline {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
        guard overflow else { return Deadline(nanoseconds: sum) }
        return Deadline(nanoseconds: duration < .zero ? .min : .max)
    }

    /// How long it is from `earlier` to this instant; negative when it lies before, and clamped to
    /// what 64 bits hold.
    public func since(_ earlier: Deadline) -> Duration {
        let (gap, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        guard overflow else { return .nanoseconds(gap) }
        return .nanoseconds(earlier.nanoseconds < 0 ? Int64.max : .min)
    }

    public static func < (left: Deadline, right: Deadline) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}
