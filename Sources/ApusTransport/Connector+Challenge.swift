import ApusCore
import ApusSocket
import ApusTunnel
import HTTPTypes

// A proxy that asks who we are.
extension Connector {
    /// What to answer a refusal with; `nil` when it is none that asks, or nothing is to be said.
    func answer(
        to refusal: TransportError.ProxyAnswer, of proxy: ProxyEndpoint, _ index: Int,
        until limit: Deadline?
    ) async throws(TransportError) -> String? {
        guard refusal.status == 407, proxy.hasOptions else { return nil }
        switch proxy.reply(to: refusal.fields) {
        case .said(let answer): return answer
        case .asked(let authenticator, let challenge):
            let answer = try await ask(authenticator, challenge, index, until: limit)
            guard ChallengeReply.isSendable(answer) else {
                throw failure(TunnelError.invalid(ChallengeReply.unsendable), at: index)
            }
            return answer
        }
    }

    /// Asks the callback off the dial's back: a cancelled dial does not wait for it.
    private func ask(
        _ authenticator: ProxyAuthenticator, _ challenge: ProxyChallenge, _ index: Int,
        until limit: Deadline?
    ) async throws(TransportError) -> String? {
        let arrival = Arrival<String?>()
        let giveUp = authenticator.begin(challenge) { [suspension, loop] answer in
            loop.execute {
                arrival.value = .some(answer)
                suspension.signal()
            }
        }
        defer { giveUp() }
        while true {
            if let answer = arrival.value { return answer }
            try await wait(.proxy, until: limit, mark(index) + ChallengeReply.late, .proxy)
        }
    }
}

/// What a 407 leads to.
enum ChallengeReply {
    /// These words; `nil` lets the 407 stand.
    case said(String?)
    /// The caller's callback has to be asked.
    case asked(ProxyAuthenticator, ProxyChallenge)

    static let late = "nobody answered for the proxy in time"
    static let unsendable = "the callback's answer to the proxy is no field value"

    static func isSendable(_ answer: String?) -> Bool {
        answer.map { HTTPField.isValidValue($0) } ?? true
    }
}

extension ProxyEndpoint {
    /// What to do about a 407 with these fields.
    func reply(to fields: HTTPFields) -> ChallengeReply {
        let challenge = ProxyChallenge(proxy: description, fields: fields)
        switch options.authentication {
        case .atOnce: return .said(nil)
        case .whenAsked:
            return .said(challenge.takesBasic ? credentials?.basicAuthorization : nil)
        case .answering(let authenticator): return .asked(authenticator, challenge)
        }
    }
}
