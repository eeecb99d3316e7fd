// Durations as whole numbers, for clocks and system calls, and as words, for messages.
extension Duration {
    /// The duration in whole nanoseconds, clamped to 64 bits.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carried) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in whole milliseconds, rounded up, for system calls.
    package var milliseconds: Int64 {
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return rest > 0 ? whole + 1 : whole
    }

    /// The duration in seconds, for snapshots.
    package var inSeconds: Double { Double(nanoseconds) / 1e9 }

    /// The duration doubled so many times, from zero up to a bound: what a wait grows to.
    package func doubled(_ times: Int, upTo most: Duration) -> Duration {
        var result = max(.zero, self)
        var left = times
        while left > 0, result > .zero, result < most {
            result *= 2
            left -= 1
        }
        return max(.zero, min(result, most))
    }

    /// The duration as messages have it: "4 s", "1.5 s", "250 ms", "0.2 ms".
    package var words: String {
        let (value, unit) =
            abs(nanoseconds) >= 1_000_000_000 ? (1_000_000_000, "s") : (1_000_000, "ms")
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: Int64(value))
        let thousandths = abs(rest) / (Int64(value) / 1000)
        guard thousandths > 0 else { return "\(whole) \(unit)" }
        var digits = String(1000 + thousandths).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits) \(unit)"
    }
}
