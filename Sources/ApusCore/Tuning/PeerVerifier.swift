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
