/// Why a SOCKS proxy gave no tunnel, from its reply's code.
public enum SOCKSCause: String, Sendable, Hashable, Codable {
    // SOCKS 5 (RFC 1928, section 6).
    case generalFailure, notAllowed, networkUnreachable, hostUnreachable, connectionRefused
    case ttlExpired, commandNotSupported, addressTypeNotSupported
    // SOCKS 4.
    case rejected, identUnreachable, identMismatch
    /// A code that neither version names.
    case unassigned

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

    /// The cause in words.
    public var words: String {
        switch self {
        case .generalFailure: "general failure"
        case .notAllowed: "not allowed by its rules"
        case .networkUnreachable: "network unreachable"
        case .hostUnreachable: "host unreachable"
        case .connectionRefused: "connection refused"
        case .ttlExpired: "TTL expired"
        case .commandNotSupported: "command not supported"
        case .addressTypeNotSupported: "address type not supported"
        case .rejected: "rejected or failed"
        case .identUnreachable: "it cannot reach our identd"
        case .identMismatch: "our identd names another user"
        case .unassigned: "a code without a meaning"
        }
    }
}

extension TransportError {
    /// What a SOCKS proxy's reply means; `nil` unless that is what went wrong.
    public var socksCause: SOCKSCause? {
        guard case .proxyReply(let code) = kind else { return nil }
        return SOCKSCause(code: code)
    }
}
