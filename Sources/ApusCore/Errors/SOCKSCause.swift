/// Why a SOCKS proxy refused a tunnel, from the code of its reply.
public enum SOCKSCause: String, Sendable, Hashable, Codable {
    // SOCKS 5 (RFC 1928, section 6).

    /// Code 1: a general failure.
    case generalFailure
    /// Code 2: the proxy's rules do not allow the connection.
    case notAllowed
    /// Code 3: the network is unreachable.
    case networkUnreachable
    /// Code 4: the host is unreachable.
    case hostUnreachable
    /// Code 5: the target refused the connection.
    case connectionRefused
    /// Code 6: the TTL expired.
    case ttlExpired
    /// Code 7: the proxy does not support the command.
    case commandNotSupported
    /// Code 8: the proxy does not support this type of address.
    case addressTypeNotSupported

    // SOCKS 4.

    /// Code 91: the request was rejected or failed.
    case rejected
    /// Code 92: the proxy cannot reach our identd.
    case identUnreachable
    /// Code 93: our identd names another user.
    case identMismatch
    /// A code that neither version defines.
    case unassigned

    /// The cause for a reply's code.
    ///
    /// - Parameter code: 1 to 8 from SOCKS 5, 91 to 93 from SOCKS 4.
    public init(code: UInt8) {
        self =
            switch code {
            case 1: .generalFailure
            case 2: .notAllowed
            case 3: .networkUnreachable
            case 4: .hostUnreachable
            case 5: .connectionRefused
            case 6: .ttlExpired
            case 7: .commandNotSupported
            case 8: .addressTypeNotSupported
            case 91: .rejected
            case 92: .identUnreachable
            case 93: .identMismatch
            default: .unassigned
            }
    }

    /// The cause in words, for messages.
    public var words: String {
        switch self {
        case .generalFailure: "general failure"
        case .notAllowed: "not allowed by the proxy's rules"
        case .networkUnreachable: "network unreachable"
        case .hostUnreachable: "host unreachable"
        case .connectionRefused: "connection refused"
        case .ttlExpired: "TTL expired"
        case .commandNotSupported: "command not supported"
        case .addressTypeNotSupported: "address type not supported"
        case .rejected: "rejected or failed"
        case .identUnreachable: "the proxy cannot reach our identd"
        case .identMismatch: "our identd names another user"
        case .unassigned: "an unassigned code"
        }
    }
}

extension TransportError {
    /// The cause that a SOCKS proxy reported; `nil` for any other kind of error.
    public var socksCause: SOCKSCause? {
        guard case .proxyReply(let code) = kind else { return nil }
        return SOCKSCause(code: code)
    }
}
