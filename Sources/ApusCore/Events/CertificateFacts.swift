/// What is told of one certificate of a peer's chain.
///
/// What a peer wrote and is not printable ASCII comes out escaped, and long names are cut.
public struct CertificateFacts: Sendable, Hashable, CustomStringConvertible {
    /// As in "CN=localhost,O=Example" (RFC 2253), at most 512 bytes of it.
    public let subject: String
    /// Who signed it, written like the subject.
    public let issuer: String
    /// In hexadecimal digits, as in "4e09c1".
    public let serialNumber: String
    /// As in "2026-11-26 21:00:00Z".
    public let notBefore: String
    /// As in "2027-11-26 21:00:00Z".
    public let notAfter: String
    /// The digest of its public key, as `tls.pins` takes it; `nil` when it has none that can be
    /// read.
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
