// What TLS trusts, presents and speaks.
extension EngineTuning {
    /// What TLS trusts, presents and speaks.
    ///
    /// A part of the route: a difference means another connection.
    public struct TLS: Sendable, Hashable {
        /// Who may vouch for a server.
        public enum Roots: Sendable, Hashable {
            /// The system's certificate store.
            case system
            /// The certificates of a file, PEM or DER, and no others.
            case file(String)
            /// The certificates in a PEM text, and no others.
            case pem(String)
            /// The certificates in these bytes, PEM or DER one behind another, and no others.
            case bytes(Bytes)
            /// The certificates in what the source gives, PEM or DER, and no others.
            case source(TLSSource)
        }

        /// A protocol version.
        public enum Version: Int, Sendable, Hashable, Comparable {
            case tls12 = 12
            case tls13 = 13

            public static func < (left: Version, right: Version) -> Bool {
                left.rawValue < right.rawValue
            }
        }

        /// Who may vouch for a server.
        ///
        /// Default the system's store.
        public var roots: Roots = .system
        /// Who we are, when a server asks; `nil`, the default, is nobody.
        public var identity: Identity?
        /// Default TLS 1.2.
        public var minimumVersion: Version = .tls12
        /// Default TLS 1.3.
        public var maximumVersion: Version = .tls13
        /// The name sent as SNI and verified, when it is not the origin's host.
        public var serverName: String?
        /// The name or address that the certificate must be for, when it is not the one sent as
        /// SNI.
        public var verifiedName: String?
        /// Whether the server's name is sent (SNI, RFC 6066, section 3).
        ///
        /// Default true; an address is never sent.
        public var sendsServerName = true
        /// Cipher suites of TLS 1.2 by OpenSSL's names, in order of preference; `nil`, the default,
        /// is those of RFC 9325: forward secrecy and authenticated encryption alone.
        public var tls12CipherSuites: [String]?
        /// Cipher suites of TLS 1.3 by OpenSSL's names, in order of preference; `nil`, the default,
        /// is OpenSSL's own choice.
        public var tls13CipherSuites: [String]?
        /// Groups for the key exchange by OpenSSL's names, in order of preference; `nil`, the
        /// default, is X25519, P-256, P-384 and P-521.
        public var groups: [String]?
        /// Public keys of which one must stand in the verified chain; empty, the default, demands
        /// none.
        ///
        /// Where verification is skipped only the server's own certificate counts.
        public var pins: Set<PublicKeyPin> = []
        /// Asked about each certificate that verification and pins have let pass; it can only
        /// refuse more.
        ///
        /// `nil`, the default, asks nobody.
        public var verifier: PeerVerifier?
        /// Whether a certificate among the roots is trusted although it is no root itself
        /// (`X509_V_FLAG_PARTIAL_CHAIN`).
        ///
        /// Default false.
        public var allowsPartialChain = false
        /// Where the secrets of each connection are told, for looking into captured traffic; `nil`,
        /// the default, is nowhere.
        ///
        /// Whoever has them reads everything.
        public var keyLog: TLSKeyLog?
        /// Accepts any certificate.
        ///
        /// Shown in every snapshot; never a default.
        public var insecureSkipVerify = false
        /// Whether sessions are resumed.
        ///
        /// Default true. A resumed handshake shows no certificate: pins and verifier were asked
        /// when the session began.
        public var resumption = true
        /// Sessions kept per route, and per way to an `https` proxy.
        ///
        /// Default 2.
        public var maxSessionsPerRoute = 2

        public init() {}
    }
}
