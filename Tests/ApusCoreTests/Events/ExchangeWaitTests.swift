import ApusCore
import Testing

/// The limits of single waits, as errors name them.
@Suite struct ExchangeWaitTests {
    @Test func eachWaitNamesItsOption() {
        #expect(
            ExchangeWait.allCases.map(\.option) == [
                "acquireTimeout", "connectTimeout", "writeIdleTimeout", "headTimeout",
                "responseTimeout", "firstByteTimeout", "readIdleTimeout", "totalTimeout",
            ])
    }

    @Test func eachLimitExplainsItself() {
        let words = ExchangeWait.allCases.map { TimeLimit($0, .seconds(4)).explanation }
        #expect(
            words == [
                "no connection became free within 4 s (acquireTimeout)",
                "no connection was made within 4 s (connectTimeout)",
                "the peer took no byte of the request for 4 s (writeIdleTimeout)",
                "no final head within 4 s (headTimeout)",
                "no final head within 4 s after the request (responseTimeout)",
                "no byte of the body within 4 s after the head (firstByteTimeout)",
                "no byte of the body for 4 s (readIdleTimeout)",
                "no end of the response within 4 s (totalTimeout)",
            ])
    }

    @Test func anAnsweredPingIsNamedWhenItFellIntoTheWait() {
        let now = Deadline(nanoseconds: 100_000_000_000)
        func limit(answered seconds: Int?) -> TimeLimit {
            var limit = TimeLimit(.response, .seconds(30))
            limit.note(
                answer: seconds.map { now.advanced(by: .seconds(-$0)) }, now: now)
            return limit
        }
        #expect(limit(answered: nil).pingAnswered == nil)
        #expect(limit(answered: 31).pingAnswered == nil)
        #expect(limit(answered: 12).pingAnswered == .seconds(12))
        #expect(
            limit(answered: 12).explanation
                == "no final head within 30 s after the request (responseTimeout);"
                + " the peer answered a PING 12 s ago")
    }
}
