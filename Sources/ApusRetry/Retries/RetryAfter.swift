package import Apus

/// The value of a `Retry-After` field: when the peer wants the next try (RFC 9110, section
/// 10.2.3).
package enum RetryAfter: Sendable, Hashable {
    /// The wait, in whole seconds from the answer.
    case seconds(Int64)
    /// The instant, in seconds since 1970.
    case date(Int64)

    /// Parses digits or an HTTP-date; anything else is `nil`.
    ///
    /// - Parameters:
    ///   - value: the field's value.
    ///   - now: seconds since 1970, for years of two digits.
    package init?(parsing value: String, now: Int64) {
        if !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // More digits than a number can hold are a wait without end.
            self = .seconds(Int64(value) ?? .max)
        } else if let date = HTTPDate(parsing: value, now: now) {
            self = .date(date.seconds)
        } else {
            return nil
        }
    }

    /// Reads the field of an answer; of several fields the first.
    package init?(_ head: HTTPResponse, now: Int64) {
        guard let field = head.headerFields.first(where: { $0.name == .retryAfter }),
            let value = RetryAfter(parsing: field.value, now: now)
        else { return nil }
        self = value
    }

    /// The wait from `now`, in seconds since 1970; zero for an instant in the past.
    package func delay(now: Int64) -> Duration {
        switch self {
        case .seconds(let seconds): return .seconds(seconds)
        case .date(let seconds):
            let (delay, overflow) = seconds.subtractingReportingOverflow(now)
            return .seconds(overflow ? (seconds > 0 ? .max : 0) : max(0, delay))
        }
    }
}
