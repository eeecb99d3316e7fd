/// An HTTP-date in any of its three formats (RFC 9110, section 5.6.7), as seconds since 1970 in
/// UTC.
package struct HTTPDate: Sendable, Hashable {
    /// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
    package let seconds: Int64

    /// Parses `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or
    /// `Sun Nov  6 08:49:37 1994`.
    ///
    /// Names are compared with their case, and a day that the month does not have is refused. The
    /// name of the weekday must exist, but is not compared with the date.
    /// - Parameters:
    ///   - text: the date, without blanks around it.
    ///   - now: seconds since 1970; a year of two digits that appears to be more than 50 years in
    ///     the future is in the past.
    package init?(parsing text: String, now: Int64) {
        var rest = Reader(bytes: Array(text.utf8)[...])
        guard let date = rest.date(now: now), rest.isAtEnd else { return nil }
        seconds = date.seconds
    }

    /// The year of an instant, in UTC.
    static func year(of seconds: Int64) -> Int {
        // Days are rounded down, so that an instant before 1970 has the right day.
        let days = Int(seconds / 86400) - (seconds % 86400 < 0 ? 1 : 0)
        // 400 years have 146,097 days; the estimate is at most a few years early and never late.
        var year = 1970 + days * 400 / 146_097 - 2
        while CivilDate.days(year: year + 1, month: 1, day: 1) <= days { year += 1 }
        return year
    }
}

/// The parts of a date and a time of day.
private struct CivilDate {
    var year = 0
    var month = 0
    var day = 0
    var hour = 0
    var minute = 0
    var second = 0

    var seconds: Int64 {
        let days = CivilDate.days(year: year, month: month, day: day)
        return Int64(days) * 86400 + Int64(hour * 3600 + minute * 60 + second)
    }

    /// Whether the day and the time exist; a leap second is accepted.
    var isValid: Bool {
        (1...CivilDate.length(ofMonth: month, year: year)).contains(day) && hour < 24
            && minute < 60 && second <= 60
    }

    /// The days from 1970-01-01 to a date of the Gregorian calendar, from the year 0 on.
    static func days(year: Int, month: Int, day: Int) -> Int {
        // The year begins in March, so that a leap day is its last day.
        let year = month <= 2 ? year - 1 : year
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    private static func length(ofMonth month: Int, year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        switch month {
        case 2: return isLeap ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }
}

/// Reads a date from its beginning; each method takes what it names, or returns `nil`.
private struct Reader {
    var bytes: ArraySlice<UInt8>

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func date(now: Int64) -> CivilDate? {
        guard let weekday = name() else { return nil }
        var date = CivilDate()
        if skip(", ") {
            guard let day = number(digits: 2) else { return nil }
            date.day = day
            if bytes.first == UInt8(ascii: "-") {
                guard Names.days.contains(weekday), skip("-"), let month = month(), skip("-"),
                    let year = number(digits: 2)
                else { return nil }
                (date.month, date.year) = (month, fullYear(year, now: now))
            } else {
                guard Names.shortDays.contains(weekday), skip(" "), let month = month(), skip(" "),
                    let year = number(digits: 4)
                else { return nil }
                (date.month, date.year) = (month, year)
            }
            guard skip(" "), time(of: &date), skip(" GMT") else { return nil }
        } else {
            guard Names.shortDays.contains(weekday), skip(" "), let month = month(), skip(" "),
                let day = skip(" ") ? number(digits: 1) : number(digits: 2), skip(" "),
                time(of: &date), skip(" "), let year = number(digits: 4)
            else { return nil }
            (date.month, date.day, date.year) = (month, day, year)
        }
        return date.isValid ? date : nil
    }

    /// The latest year that ends in the two digits and is at most 50 years after this one.
    private func fullYear(_ digits: Int, now: Int64) -> Int {
        let latest = HTTPDate.year(of: now) + 50
        return latest - (latest - digits) % 100
    }

    private mutating func time(of date: inout CivilDate) -> Bool {
        guard let hour = number(digits: 2), skip(":"), let minute = number(digits: 2), skip(":"),
            let second = number(digits: 2)
        else { return false }
        (date.hour, date.minute, date.second) = (hour, minute, second)
        return true
    }

    private mutating func month() -> Int? {
        guard let name = name() else { return nil }
        return Names.months.firstIndex(of: name).map { $0 + 1 }
    }

    /// The letters up to the next byte that is none.
    private mutating func name() -> String? {
        let letters = bytes.prefix { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
        bytes = bytes.dropFirst(letters.count)
        return letters.isEmpty ? nil : String(decoding: letters, as: UTF8.self)
    }

    private mutating func number(digits: Int) -> Int? {
        let text = bytes.prefix(digits)
        guard text.count == digits, text.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        bytes = bytes.dropFirst(digits)
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private mutating func skip(_ text: StaticString) -> Bool {
        let expected = "\(text)".utf8
        guard bytes.starts(with: expected) else { return false }
        bytes = bytes.dropFirst(expected.count)
        return true
    }
}

private enum Names {
    static let shortDays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    static let days = [
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    ]
    static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
