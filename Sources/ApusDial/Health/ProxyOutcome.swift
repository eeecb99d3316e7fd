package import ApusCore
import ApusTunnel

/// What one proxy did for a dial that came to it.
package enum ProxyOutcome: Sendable, Hashable {
    /// It opened a tunnel in this time, TLS with it included.
    case opened(Duration)
    /// It is reached, and forwards requests without a tunnel.
    case forwards
    /// It gave no tunnel.
    case failed(ProxyFailure)
}

extension ProxyFailure {
    /// What a failure counts against.
    enum Scope: Sendable {
        /// The proxy, whatever it is asked for.
        case proxy
        /// The proxy when it is asked for this target, which may be at fault.
        case target
        /// Nothing: the proxy has answered, so it works.
        case answer
        /// The proxy, but only together with a dial that failed.
        case evidence
    }

    var scope: Scope {
        switch self {
        case .unreachable, .connectTimeout, .tlsFailed: .proxy
        case .brokenOff, .silent, .openedThenClosed: .target
        case .credentialsRefused, .targetRefused: .answer
        case .cut: .evidence
        }
    }
}

extension TunnelError {
    /// What the proxy's answer was; `nil` when it gave none.
    var refusal: ProxyFailure? {
        switch self {
        case .refused(let answer): answer.status == 407 ? .credentialsRefused : .targetRefused
        case .reply: .targetRefused
        case .authenticationRefused, .methodRefused: .credentialsRefused
        case .streamReset, .malformed, .closed, .tooLarge, .invalid: nil
        }
    }
}
