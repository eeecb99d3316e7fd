import ApusCore
@testable import ApusDial
import ApusTunnel
import HTTPTypes
import Testing

/// What a failure counts against, and what an answer is.
@Suite struct ProxyOutcomeTests {
    @Test func eachFailureCountsAgainstItsOwn() {
        let scopes = ProxyFailure.allCases.map(\.scope)
        #expect(
            scopes == [
                .proxy, .proxy, .proxy, .target, .target, .target, .answer, .answer, .evidence,
            ])
    }

    @Test func anAnswerIsNoFailureOfTheProxy() {
        func refused(_ status: Int) -> TunnelError {
            .refused(.init(status: status, fields: [:], body: .empty))
        }
        #expect(refused(407).refusal == .credentialsRefused)
        #expect(TunnelError.authenticationRefused.refusal == .credentialsRefused)
        #expect(
            TunnelError.methodRefused(255, hadCredentials: true).refusal == .credentialsRefused)
        for status in [403, 429, 502, 503, 504] {
            #expect(refused(status).refusal == .targetRefused)
        }
        for code in 1...8 as ClosedRange<UInt8> {
            #expect(TunnelError.reply(code).refusal == .targetRefused)
        }
        for error in [
            .closed, .streamReset(code: 2), .malformed(.replyVersion), .invalid(""),
        ] as [TunnelError] {
            #expect(error.refusal == nil)
        }
    }
}
