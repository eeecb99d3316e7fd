import ApusSocket
import ApusTLS

/// What the peer or the system ended a wire with.
package enum WireEnding: Sendable, Hashable {
    /// The end of the peer's side (FIN), under TLS without close_notify.
    case fin
    /// TLS ended in good order.
    case closeNotify
    case reset
    /// A fatal alert, or records that are not TLS.
    case tlsAlert
    /// The end of a tunnel within a proxy's HTTP/2 connection.
    case tunnelEnd
    /// The system gave up: nothing was acknowledged, or no way leads to the peer.
    case silence

    /// `nil` for what is neither the peer's nor the network's fault.
    package init?(_ error: WireError) {
        switch error {
        case .system(let error):
            switch error.loss {
            case .reset: self = .reset
            case .silence: self = .silence
            case nil: return nil
            }
        case .tls(let error): self = error.kind == .unexpectedEnd ? .fin : .tlsAlert
        case .tunnel: self = .tunnelEnd
        case .endInHandshake: self = .fin
        case .layerTakesNoMore: return nil
        }
    }
}
