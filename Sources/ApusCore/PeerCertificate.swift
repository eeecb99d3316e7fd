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

/// Why a peer's certificate was refused, and which of its chain.
public struct CertificateRefusal: Sendable, Hashable {
    /// The check that failed.
    public enum Check: String, Sendable, Hashable, Codable, CaseIterable {
        /// No chain leads to one of the roots.
        case trust
        /// It is past its time.
        case expired
        /// Its time has not come.
        case notYetValid
        /// It is for another name or address.
        case name
        /// Its signature is wrong.
        case signature
        /// It must not be used for this: a client's certificate, or no authority.
        case purpose
        /// An authority above it may not vouch for its name.
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
        /// Another, told by the code alone.
        case other
    }

    public let check: Check
    /// OpenSSL's verification code.
    public let code: Int
    /// The certificate's place in the chain: 0 is the peer's own.
    public let depth: Int
    /// The name or address that was asked for.
    public let name: String
    /// The certificate; `nil` when there was none to look at.
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

/// Somebody who looks at each peer's certificates besides OpenSSL, and may refuse them.
///
/// Asked in the handshake, before a client certificate or a byte of a request leaves. Two are equal
/// only when they are the same object, since nobody can compare what they do.
public final class PeerVerifier: Sendable {
    /// A peer's certificates, as verification left them.
    public struct Peer: Sendable {
        /// The name or address that was asked for.
        public let name: String
        /// The chain, the peer's own certificate first; the verified one unless verification was
        /// skipped.
        public let certificates: [CertificateFacts]
        /// The same certificates in DER.
        public let encodings: [Bytes]

        package init(name: String, certificates: [CertificateFacts], encodings: [Bytes]) {
            self.name = name
            self.certificates = certificates
            self.encodings = encodings
        }
    }

    /// What it says.
    public enum Verdict: Sendable, Hashable {
        case accept
        /// The reason goes into the error.
        case refuse(String)
    }

    /// Begins to look at a peer and gives the verdict once; what it returns ends the looking.
    package typealias Judge =
        @Sendable (Peer, _ finish: @escaping @Sendable (Verdict) -> Void) -> @Sendable () -> Void

    package let judge: Judge

    /// - Parameter judge: may answer on any thread; more than one answer is one.
    package init(judge: @escaping Judge) {
        self.judge = judge
    }
}

extension PeerVerifier: Hashable {
    public static func == (left: PeerVerifier, right: PeerVerifier) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
