package import ApusCore
import CApusOpenSSL

/// Why a TLS context could not be made, or why a TLS connection failed.
package struct TLSError: Error, Sendable, Hashable {
    /// What kind of failure it was.
    package enum Kind: Sendable, Hashable {
        /// The peer's certificate was refused: OpenSSL's verification code, and the certificate's
        /// position in the chain (0 is the peer's own).
        case verify(code: Int, depth: Int)
        /// The handshake failed, by an alert of either side or by bytes that are not TLS.
        case handshake
        /// TLS failed or was ended by an alert after the handshake.
        case alert
        /// The stream ended without close_notify: the received bytes may be incomplete.
        case unexpectedEnd
        /// A setting is unusable, such as a file that cannot be read.
        case configuration
        /// Descriptors or memory ran out when a file was to be read.
        case resource(errno: Int32)
        /// The peer flooded the connection with KeyUpdates or session tickets.
        case abuse
    }

    package let kind: Kind
    /// OpenSSL's reason; for a refused certificate also which certificate it is.
    package let message: String
    /// Which check refused which certificate, when the kind is `verify`.
    package let refusal: CertificateRefusal?

    init(_ kind: Kind, _ message: String, refusal: CertificateRefusal? = nil) {
        self.kind = kind
        self.message = message
        self.refusal = refusal
    }

    /// A certificate was refused.
    ///
    /// - Parameter reason: the verifier's reason; `nil` for OpenSSL's own message.
    init(_ refusal: CertificateRefusal, reason: String?) {
        let reason =
            switch refusal.check {
            case .pin: "no pinned key is in the chain"
            case .verifier: "the verifier refused it: \(reason ?? "")"
            default:
                X509_verify_cert_error_string(refusal.code).map { String(cString: $0) } ?? "refused"
            }
        let hint =
            refusal.check == .strictness
            ? "; RFC 5280 forbids it, and tls.isStrict = false disables that check" : ""
        let which = refusal.certificate.map { ": \($0)" } ?? ""
        self.init(
            .verify(code: refusal.code, depth: refusal.depth),
            "\(reason) for \(refusal.name) (certificate \(refusal.depth) of the chain\(which))"
                + hint,
            refusal: refusal)
    }
}

extension TLSError: CustomStringConvertible {
    package var description: String { message }
}

/// Returns the earliest error in OpenSSL's queue, in words, and clears the queue.
///
/// The queue belongs to the thread, so callers of OpenSSL clear it before a call and read it after.
func takeOpenSSLReason() -> String? {
    let code = ERR_peek_error()
    defer { ERR_clear_error() }
    guard code != 0 else { return nil }
    if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
    // System errors have no reason string, but this call includes that of strerror.
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let start = buffer.baseAddress else { return nil }
        ERR_error_string_n(code, start, buffer.count)
        return String(cString: start).split(separator: ":").last.map(String.init)
    }
}

extension TLSError {
    /// A setting that OpenSSL refused, with its reason.
    ///
    /// A lack of descriptors or memory is no fault of the setting and may be temporary.
    static func refusedSetting(_ what: String) -> TLSError {
        let exhausted = apus_exhausted()
        return TLSError(
            exhausted == 0 ? .configuration : .resource(errno: exhausted),
            "\(what): \(takeOpenSSLReason() ?? "refused by OpenSSL")")
    }
}
