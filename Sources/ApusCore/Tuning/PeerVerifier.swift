/// A check of each peer's certificates after OpenSSL's, which may refuse them.
///
/// It is called during the handshake, before a client certificate or a byte of a request is sent.
/// Two are equal only when they are the same object.
public final class PeerVerifier: Sendable {
    /// A peer's certificates, as verification ordered them.
    public struct Peer: Sendable {
        /// The name or address that was expected.
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

    /// The result of the check.
    public enum Verdict: Sendable, Hashable {
        /// The certificates are accepted.
        case accept
        /// The certificates are refused; the reason becomes a part of the error.
        case refuse(String)
    }

    /// Starts to check a peer, reports one verdict, and returns a closure that cancels the check.
    package typealias Judge =
        @Sendable (Peer, _ finish: @escaping @Sendable (Verdict) -> Void) -> @Sendable () -> Void

    package let judge: Judge

    /// Creates a verifier.
    ///
    /// - Parameter judge: may report on any thread; only its first verdict counts.
    package init(judge: @escaping Judge) {
        self.judge = judge
    }
}

extension PeerVerifier: Hashable {
    /// Whether two references are the same object.
    public static func == (left: PeerVerifier, right: PeerVerifier) -> Bool { left === right }

    /// Hashes the object's identity.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
