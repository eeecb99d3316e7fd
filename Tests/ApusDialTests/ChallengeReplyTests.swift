import ApusCore
@testable import ApusDial
import ApusSocket
import HTTPTypes
import Testing

/// What a 407 leads to.
///
/// Every deadline here is over, or too far away to come.
@Suite(.timeLimit(.minutes(5))) struct ChallengeReplyTests {
    private func proxy(
        _ authentication: ProxyAuthentication, hasCredentials: Bool = true
    ) throws -> ProxyEndpoint {
        var options = ProxyEndpoint.Options()
        options.authentication = authentication
        return try ProxyEndpoint(
            parsing: "http://\(hasCredentials ? "me:secret@" : "")proxy:3128", options: options)
    }

    @Test(
        arguments: [
            (.atOnce, "Basic realm=a", nil),
            (.whenAsked, "Basic realm=a", "Basic bWU6c2VjcmV0"),
            (.whenAsked, "Digest realm=a", nil),
            (.whenAsked, "Digest realm=a, basic realm=b", "Basic bWU6c2VjcmV0"),
        ] as [(ProxyAuthentication, String, String?)])
    func credentialsAreGivenOnceTheyAreAskedFor(
        authentication: ProxyAuthentication, challenge: String, value: String?
    ) throws {
        let proxy = try proxy(authentication)
        guard case .said(let words) = proxy.reply(to: [.proxyAuthenticate: challenge]) else {
            Issue.record("a callback is asked")
            return
        }
        #expect(words == value)
    }

    @Test func aCallbackGetsTheChallenge() throws {
        let authenticator = ProxyAuthenticator { _, _ in {} }
        let fields: HTTPFields = [.proxyAuthenticate: "Negotiate"]
        let proxy = try proxy(.answering(authenticator), hasCredentials: false)
        guard case .asked(let asked, let challenge) = proxy.reply(to: fields) else {
            Issue.record("no callback is asked")
            return
        }
        #expect(asked == authenticator)
        #expect(challenge == ProxyChallenge(proxy: "http://proxy:3128", fields: fields))
    }

    @Test(
        arguments: [
            (nil, true), ("Basic abc", true), ("", true), ("a\r\nB: c", false), ("a\u{0}", false),
        ] as [(String?, Bool)])
    func onlyAFieldValueIsSent(answer: String?, isSendable: Bool) {
        #expect(ChallengeReply.isSendable(answer) == isSendable)
    }

    // MARK: Waiting for a callback

    private let challenge = ProxyChallenge(proxy: "http://proxy:3128", fields: [:])
    private let farAway = Deadline.now().advanced(by: .seconds(1_000_000))

    @Test(arguments: ["Negotiate abc", nil])
    func theFirstAnswerCounts(_ answer: String?) async throws {
        let hasGivenUp = Flag()
        let authenticator = ProxyAuthenticator { _, reply in
            reply(answer)
            reply("another")
            return { hasGivenUp.set() }
        }
        let end = await authenticator.answer(challenge, until: farAway)
        guard case .answered(let found) = end else {
            Issue.record("\(end)")
            return
        }
        #expect(found == answer)
        #expect(hasGivenUp.isSet)
    }

    @Test func aCallbackThatIsLateIsGivenUp() async throws {
        let hasGivenUp = Flag()
        let authenticator = ProxyAuthenticator { _, _ in { hasGivenUp.set() } }
        let end = await authenticator.answer(challenge, until: .now())
        guard case .late = end else {
            Issue.record("\(end)")
            return
        }
        #expect(hasGivenUp.isSet)
    }

    @Test func aCancelledTaskGivesTheCallbackUp() async throws {
        let hasGivenUp = Flag()
        let authenticator = ProxyAuthenticator { _, _ in { hasGivenUp.set() } }
        let task = Task { [challenge] in await authenticator.answer(challenge, until: nil) }
        task.cancel()
        let end = await task.value
        guard case .cancelled = end else {
            Issue.record("\(end)")
            return
        }
        #expect(hasGivenUp.isSet)
    }
}
