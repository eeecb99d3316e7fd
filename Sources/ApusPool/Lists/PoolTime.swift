/// The pool counts instants and durations in nanoseconds, as plain numbers: the arithmetic of
/// `Duration` costs more than a lease.
extension Int64 {
    /// Later, and longer, than every other value; a limit that is off.
    static let never = Int64.max

    /// The instant that is `duration` later, or `never` when that overflows.
    func later(by duration: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(duration)
        return overflow ? .never : sum
    }
}
