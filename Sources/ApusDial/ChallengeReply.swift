package import ApusCore
import ApusSocket
import ApusTunnel
package import HTTPTypes

/// What a 407 leads to.
package enum ChallengeReply {
    /// This field value; `nil` leaves the 407 as it is.
    case said(String?)
    /// The caller's callback has to be asked.
    case asked(ProxyAuthenticator, ProxyChallenge)

    package static let late = "the authenticator did not answer"
    package static let unsendable = "the callback's answer to the proxy is not a field value"

    package static func isSendable(_ answer: String?) -> Bool {
        answer.map { HTTPField.isValidValue($0) } ?? true
    }
}

extension ProxyEndpoint {
    /// What to do about a 407 with these fields.
    package func reply(to fields: HTTPFields) -> ChallengeReply {
        let challenge = ProxyChallenge(proxy: description, fields: fields)
        switch options.authentication {
        case .atOnce: return .said(nil)
        case .whenAsked:
            return .said(challenge.takesBasic ? credentials?.basicAuthorization : nil)
        case .answering(let authenticator): return .asked(authenticator, challenge)
        }
    }
}

extension ProxyAuthenticator {
    /// How the wait for a callback ended.
    package enum End: Sendable {
        case answered(String?)
        /// The deadline was reached first.
        case late
        case cancelled
    }

    /// Asks the callback, and waits for its answer until the deadline or the task's cancellation.
    ///
    /// On no loop, because an engine may end meanwhile.
    package func answer(_ challenge: ProxyChallenge, until deadline: Deadline?) async -> End {
        let pending = FirstAnswer<End>()
        let giveUp = begin(challenge) { pending.give(.answered($0)) }
        let timer = deadline.map { deadline in
            Task {
                try await Task.sleep(for: deadline.since(.now()))
                pending.give(.late)
            }
        }
        defer {
            timer?.cancel()
            giveUp()
        }
        return await withTaskCancellationHandler {
            await pending.wait()
        } onCancel: {
            pending.give(.cancelled)
        }
    }
}
