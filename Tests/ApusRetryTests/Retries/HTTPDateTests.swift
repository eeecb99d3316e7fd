import ApusRetry
import Testing

/// The three formats of RFC 9110, section 5.6.7, and what is refused.
@Suite struct HTTPDateTests {
    /// 2026-11-30 00:00:00 UTC.
    private let now: Int64 = 1_796_083_200

    @Test(
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun Nov 16 08:49:37 1994", 784_975_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            // A leap second is the first second of the next day.
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200),
            // The weekday is not compared with the date.
            ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ] as [(String, Int64)])
    func aDateInEachFormatIsItsSeconds(text: String, seconds: Int64) {
        #expect(HTTPDate(parsing: text, now: now)?.seconds == seconds)
    }

    /// The bound of 50 years, at it and one year beyond.
    @Test(arguments: [
        ("Thursday, 01-Jan-76 00:00:00 GMT", "Wed, 01 Jan 2076 00:00:00 GMT"),
        ("Thursday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT"),
        ("Thursday, 01-Jan-26 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Thursday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("Thursday, 01-Jan-99 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"),
    ])
    func aYearOfTwoDigitsIsAtMostFiftyYearsAhead(text: String, full: String) throws {
        let date = try #require(HTTPDate(parsing: text, now: now))
        #expect(date == HTTPDate(parsing: full, now: now))
    }

    /// At the ends of years, and before 1970.
    @Test(
        arguments: [
            (1_798_761_599, 2076), (1_798_761_600, 2077), (0, 2020), (-1, 2019),
            (946_684_799, 2049), (946_684_800, 2050), (-2_208_988_800, 1950),
            (-2_208_988_801, 1949),
        ] as [(Int64, Int)])
    func theYearOfTheClockDecides(now: Int64, latest: Int) throws {
        let digits = latest % 100 < 10 ? "0\(latest % 100)" : "\(latest % 100)"
        let date = try #require(
            HTTPDate(parsing: "Monday, 01-Jan-\(digits) 00:00:00 GMT", now: now))
        #expect(date == HTTPDate(parsing: "Mon, 01 Jan \(latest) 00:00:00 GMT", now: now))
    }

    @Test(arguments: [
        "", " ", "GMT", "Sun", "Sun,", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt", "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 29 Feb 2023 12:00:00 GMT", "Thu, 29 Feb 1900 12:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT", "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37  GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 94", "Sun Nov  6 08:49:37 1994 GMT",
        "Sunday Nov  6 08:49:37 1994", "Sun Foo  6 08:49:37 1994", "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\u{0}", "Sun, 0\u{661} Nov 1994 08:49:37 GMT",
    ])
    func whatIsNoDateIsRefused(text: String) {
        #expect(HTTPDate(parsing: text, now: now) == nil)
    }

    /// Each prefix, and each text with one byte replaced, is refused or a date; none traps.
    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ])
    func aCutOrChangedDateIsRefusedOrRead(text: String) {
        let bytes = Array(text.utf8)
        for end in bytes.indices {
            let prefix = String(decoding: bytes[..<end], as: UTF8.self)
            #expect(HTTPDate(parsing: prefix, now: now) == nil, "\(prefix)")
            for byte in [0, 0x20, 0x39, 0x41, 0x7A, 0xFF] as [UInt8] {
                var changed = bytes
                changed[end] = byte
                _ = HTTPDate(parsing: String(decoding: changed, as: UTF8.self), now: now)
            }
        }
    }

    @Test(arguments: [Int64.min, .min + 1, -1, 0, .max - 1, .max])
    func anyClockIsTaken(now: Int64) {
        _ = HTTPDate(parsing: "Sunday, 06-Nov-94 08:49:37 GMT", now: now)
    }
}
