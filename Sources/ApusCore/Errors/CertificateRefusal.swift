/// Why a peer's certificate was refused, and which of its chain.
public struct CertificateRefusal: Sendable, Hashable {
    /// The check that failed.
    public enum Check: String, Sendable, Hashable, Codable, CaseIterable {
        /// No chain leads to one of the roots.
        case trust
        /// It has expired.
        case expired
        /// It is not valid yet.
        case notYetValid
        /// It is for another name or address.
        case name
        /// Its signature is wrong.
        case signature
        /// It is not allowed for this use: a client's certificate, or an issuer that is no
        /// authority.
        case purpose
        /// An authority above it is not allowed to issue for its name.
        case nameConstraints
        /// Its key or digest is too weak.
        case strength
        /// It breaks a rule of RFC 5280 that `X509_STRICT` checks.
        case strictness
        /// It was revoked.
        case revocation
        /// The chain has none of `tls.pins`.
        case pin
        /// `tls.verifier` refused it.
        case verifier
        /// Another check, known by its code only.
        case other
    }

    /// The check that failed.
    public let check: Check
    /// OpenSSL's verification code (`X509_V_ERR_...`).
    public let code: Int
    /// The certificate's place in the chain: 0 is the peer's own.
    public let depth: Int
    /// The name or address that was expected.
    public let name: String
    /// The certificate that was refused; `nil` when the peer sent none.
    public let certificate: CertificateFacts?

    package init(
        check: Check, code: Int, depth: Int, name: String, certificate: CertificateFacts?
    ) {
        self.check = check
        self.code = code
        self.depth = depth
        self.name = name
        self.certificate = certificate
    }
}
