/// An instant on the monotonic clock, after which something is too late.
///
/// Code below the transport never reads a clock: instants are arguments.
public struct Deadline: Sendable, Hashable, Comparable {
    /// Nanoseconds since the clock's own start.
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The instant `duration` later; a duration beyond 292 years means "never".
    public func advanced(by duration: Duration) -> Deadline {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
        guard overflow else { return Deadline(nanoseconds: sum) }
        return Deadline(nanoseconds: duration < .zero ? .min : .max)
    }

    /// The duration from `earlier` to this instant, negative when this instant comes first, clamped
    /// to 64 bits of nanoseconds.
    public func since(_ earlier: Deadline) -> Duration {
        let (gap, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        guard overflow else { return .nanoseconds(gap) }
        return .nanoseconds(earlier.nanoseconds < 0 ? Int64.max : .min)
    }

    /// Whether one instant comes before another.
    public static func < (left: Deadline, right: Deadline) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}
