import ApusCore
import ApusSocket
import ApusTunnel

/// The addresses that a `socks5` proxy is asked for, one after the other, where names are resolved
/// here: a SOCKS proxy ends its connection after a refusal, so each takes another one.
struct SOCKSAddresses {
    /// What one proxy is asked for at most.
    static let maxAddresses = 16

    /// What is left to ask the proxy at a place of the chain for, the present one first.
    private var left: [Int: ArraySlice<SOCKSTarget>] = [:]
    private var wantsRedial = false

    /// What the proxy at `index` is to be asked for now; `nil` before its addresses are known.
    func current(at index: Int) -> SOCKSTarget? { left[index]?.first }

    /// Keeps the addresses for the proxy at `index`, which are not empty.
    mutating func keep(_ targets: [SOCKSTarget], at index: Int) {
        left[index] = targets.prefix(Self.maxAddresses)
    }

    /// The proxy at `index` could not reach the present address, if that is what its reply means.
    mutating func refused(at index: Int, _ cause: SOCKSCause?) {
        guard let cause, cause.isAboutAddress, let rest = left[index]?.dropFirst(), !rest.isEmpty
        else { return }
        left[index] = rest
        wantsRedial = true
    }

    /// Whether another connection is wanted, to ask for the next address; said once.
    mutating func takeRedial() -> Bool {
        defer { wantsRedial = false }
        return wantsRedial
    }
}

extension SOCKSCause {
    /// Whether another address of the same host may fare better.
    fileprivate var isAboutAddress: Bool {
        switch self {
        case .generalFailure, .networkUnreachable, .hostUnreachable, .connectionRefused,
            .ttlExpired, .addressTypeNotSupported, .unassigned:
            true
        case .notAllowed, .commandNotSupported, .rejected, .identUnreachable, .identMismatch:
            false
        }
    }
}
