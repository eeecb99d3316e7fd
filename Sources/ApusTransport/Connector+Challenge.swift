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
        let challenge = ProxyChallenge(proxy: proxy.description, fields: refusal.fields)
        switch proxy.options.authentication {
        case .atOnce: return nil
        case .whenAsked:
            return challenge.takesBasic ? proxy.credentials?.basicAuthorization : nil
        case .answering(let authenticator):
            let answer = try await ask(authenticator, challenge, index, until: limit)
            guard let answer else { return nil }
            guard HTTPField.isValidValue(answer) else {
                let reason = "the callback's answer to the proxy is no field value"
                throw failure(TunnelError.invalid(reason), at: index)
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
            try await wait(
                .proxy, until: limit, mark(index) + "nobody answered for the proxy in time", .proxy)
        }
    }
}
