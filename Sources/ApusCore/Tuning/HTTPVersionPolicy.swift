/// Which HTTP versions a request may use, and how one is chosen.
public enum HTTPVersionPolicy: Sendable, Hashable {
    /// The version that ALPN chooses from "h2, http/1.1"; without TLS, HTTP/1.1.
    case automatic
    /// HTTP/1.1 only.
    case http1Only(alpn: ALPNOffer)
    /// HTTP/2 only: another choice by ALPN is an error.
    ///
    /// Without TLS, HTTP/2 is used by prior knowledge (RFC 9113, section 3.3).
    case http2Only

    /// What an HTTP/1.1-only handshake offers by ALPN.
    public enum ALPNOffer: Sendable, Hashable {
        /// "http/1.1" is offered.
        case http1
        /// The extension is left out.
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
