/// Which HTTP versions a request may use, and how the choice is made.
public enum HTTPVersionPolicy: Sendable, Hashable {
    /// What ALPN says: "h2, http/1.1" is offered over TLS; in the clear it is HTTP/1.1.
    case automatic
    /// HTTP/1.1 alone.
    case http1Only(alpn: ALPNOffer)
    /// HTTP/2 alone: another answer by ALPN is an error.
    ///
    /// In the clear, HTTP/2 by prior knowledge.
    case http2Only

    /// What an HTTP/1.1-only handshake says about ALPN.
    public enum ALPNOffer: Sendable, Hashable {
        /// "http/1.1" is offered.
        case http1
        /// The extension is left out altogether.
        case omit
    }

    /// The names offered over TLS, in order of preference; empty means no extension.
    package var alpnNames: [String] {
        switch self {
        case .automatic: ["h2", "http/1.1"]
        case .http1Only(.http1): ["http/1.1"]
        case .http1Only(.omit): []
        case .http2Only: ["h2"]
        }
    }
}
