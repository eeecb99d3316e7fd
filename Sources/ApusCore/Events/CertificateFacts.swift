/// What is reported of one certificate in a peer's chain.
///
/// Bytes from the peer that are not printable ASCII are escaped, and long names are cut.
public struct CertificateFacts: Sendable, Hashable, CustomStringConvertible {
    /// The subject, as in "CN=localhost,O=Example" (RFC 2253), at most 512 bytes.
    public let subject: String
    /// The issuer, written like the subject.
    public let issuer: String
    /// The serial number in hexadecimal digits, as in "4e09c1".
    public let serialNumber: String
    /// The first instant of validity, as in "2026-11-26 21:00:00Z".
    public let notBefore: String
    /// The last instant of validity, as in "2027-11-26 21:00:00Z".
    public let notAfter: String
    /// The digest of the public key, as in `tls.pins`; `nil` when the key cannot be read.
    public let publicKey: PublicKeyPin?

    package init(
        subject: String, issuer: String, serialNumber: String, notBefore: String, notAfter: String,
        publicKey: PublicKeyPin?
    ) {
        self.subject = subject
        self.issuer = issuer
        self.serialNumber = serialNumber
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.publicKey = publicKey
    }

    /// Subject, issuer and serial number.
    public var description: String { "\(subject), issued by \(issuer), serial \(serialNumber)" }
}
