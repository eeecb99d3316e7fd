import Apus
import ApusRetry
import Testing

/// `Retry-After` as seconds and as dates (RFC 9110, section 10.2.3).
@Suite struct RetryAfterTests {
    private let now: Int64 = 784_111_777

    @Test(
        arguments: [
            ("0", 0), ("120", 120), ("007", 7), ("99999999999999999999999", .max),
            ("Sun, 06 Nov 1994 08:49:38 GMT", 1), ("Sun Nov  6 08:50:37 1994", 60),
            ("Sunday, 06-Nov-94 09:49:37 GMT", 3600),
            // The instant itself, and the past.
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
        ] as [(String, Int64)])
    func aValueIsItsWait(value: String, seconds: Int64) {
        #expect(RetryAfter(parsing: value, now: now)?.delay(now: now) == .seconds(seconds))
    }

    @Test(arguments: ["", "-1", "+1", "1.5", "1 ", "soon", "1, 2", "0x10", "\u{661}"])
    func whatIsNoWaitIsIgnored(value: String) {
        #expect(RetryAfter(parsing: value, now: now) == nil)
    }

    @Test func theFirstOfSeveralFieldsCounts() {
        var head = HTTPResponse(status: .serviceUnavailable)
        #expect(RetryAfter(head, now: now) == nil)
        head.headerFields.append(HTTPField(name: .retryAfter, value: "3"))
        head.headerFields.append(HTTPField(name: .retryAfter, value: "60"))
        #expect(RetryAfter(head, now: now) == .seconds(3))
    }

    @Test func anAbsurdClockIsTaken() {
        #expect(RetryAfter.date(.max).delay(now: .min) == .seconds(Int64.max))
        #expect(RetryAfter.date(.min).delay(now: .max) == .zero)
    }
}
