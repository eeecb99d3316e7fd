package import ApusHTTP1
package import ApusHTTP2

/// How a proxy's answer broke the protocol of its handshake.
package enum TunnelBreach: Sendable, Hashable, CustomStringConvertible {
    /// The first byte of a SOCKS 4 reply is not 0 (the SOCKS 4 specification, which is no RFC).
    case socks4Version
    /// The code of a SOCKS 4 reply is none of 90 to 93 (the same specification).
    case socks4Code
    /// The answer to our SOCKS 5 greeting is not of version 5 (RFC 1928, section 3).
    case greetingVersion
    /// The answer to our password is not of version 1 (RFC 1929, section 2).
    case passwordVersion
    /// The reply to our SOCKS 5 request is not of version 5 (RFC 1928, section 6).
    case replyVersion
    /// The address in a SOCKS 5 reply is neither a name nor of IPv4 or IPv6 (RFC 1928, section 6).
    case addressType
    /// The answer to CONNECT breaks HTTP/1.1, as the error says.
    case http1(HTTP1Error)
    /// The answer to CONNECT broke HTTP/2 on its stream, as the breach says.
    case http2(HTTP2Breach)
    /// The proxy broke HTTP/2 on the connection, as the error says.
    case http2Session(HTTP2Error)

    /// The breach as a clause; holds no byte that the proxy sent.
    package var description: String {
        switch self {
        case .socks4Version: "the answer is not SOCKS 4"
        case .socks4Code: "the reply's code is unknown"
        case .greetingVersion: "the greeting's answer is not SOCKS 5"
        case .passwordVersion: "the password's answer is not of version 1"
        case .replyVersion: "the reply is not SOCKS 5"
        case .addressType: "the reply's address type is unknown"
        case .http1(let error): error.message
        case .http2(let breach): breach.description
        case .http2Session(let error): error.message
        }
    }
}

/// The bound of ours that a proxy's answer exceeded.
package enum TunnelExcess: Sendable, Hashable, CustomStringConvertible {
    /// A bound on an HTTP/1.1 answer, as the error says.
    case http1(HTTP1Error)
    /// A bound on an HTTP/2 answer.
    case http2(HTTP2Excess)
    /// The proxy takes fewer bytes of fields than our CONNECT has (RFC 9113, section 6.5.2).
    case request(HTTP2Error)

    /// The excess as a phrase.
    package var description: String {
        switch self {
        case .http1(let error): error.message
        case .http2(let excess): excess.description
        case .request(let error): error.message
        }
    }
}
