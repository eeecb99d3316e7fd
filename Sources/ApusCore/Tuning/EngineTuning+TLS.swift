// What TLS trusts, presents and speaks.
extension EngineTuning {
    /// What TLS trusts, presents and speaks.
    ///
    /// A part of the route: a difference means another connection.
    public struct TLS: Sendable, Hashable {
        /// Who may vouch for a server.
        ///
        /// Two are equal only when their texts have equal bytes.
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

            public static func == (left: Roots, right: Roots) -> Bool {
                switch (left, right) {
                case (.system, .system): true
                case (.file(let text), .file(let other)), (.pem(let text), .pem(let other)):
                    ExactText.areEqual(text, other)
                case (.bytes(let bytes), .bytes(let other)): bytes == other
                case (.source(let source), .source(let other)): source == other
                case (.system, _), (.file, _), (.pem, _), (.bytes, _), (.source, _): false
                }
            }

            public func hash(into hasher: inout Hasher) {
                switch self {
                case .system: hasher.combine(0)
                case .file(let text), .pem(let text): hasher.combine(text)
                case .bytes(let bytes): hasher.combine(bytes)
                case .source(let source): hasher.combine(source)
                }
            }
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
        public var serverName: String? {
            get { serverNameText?.text }
            set { serverNameText = newValue.map { ExactText($0) } }
        }
        /// The name or address that the certificate must be for, when it is not the one sent as
        /// SNI.
        public var verifiedName: String? {
            get { verifiedNameText?.text }
            set { verifiedNameText = newValue.map { ExactText($0) } }
        }
        /// Whether the server's name is sent (SNI, RFC 6066, section 3).
        ///
        /// Default true; an address is never sent.
        public var sendsServerName = true
        /// Cipher suites of TLS 1.2 by OpenSSL's names, in order of preference; `nil`, the default,
        /// is ECDHE with AES-GCM or ChaCha20 (RFC 9325, section 4.2).
        ///
        /// DHE can be named here. The server chooses its group then, and OpenSSL takes one of up to
        /// 10,000 bits: a second of the loop's time for each handshake.
        public var tls12CipherSuites: [String]? {
            get { tls12CipherSuitesText.map { $0.map(\.text) } }
            set { tls12CipherSuitesText = newValue.map { $0.map { ExactText($0) } } }
        }
        /// Cipher suites of TLS 1.3 by OpenSSL's names, in order of preference; `nil`, the default,
        /// is OpenSSL's own choice.
        public var tls13CipherSuites: [String]? {
            get { tls13CipherSuitesText.map { $0.map(\.text) } }
            set { tls13CipherSuitesText = newValue.map { $0.map { ExactText($0) } } }
        }
        /// Groups for the key exchange by OpenSSL's names, in order of preference; `nil`, the
        /// default, is X25519, P-256, P-384 and P-521.
        public var groups: [String]? {
            get { groupsText.map { $0.map(\.text) } }
            set { groupsText = newValue.map { $0.map { ExactText($0) } } }
        }
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
        /// Whether certificates are held to the rules of RFC 5280 that OpenSSL checks only when
        /// asked to (`X509_V_FLAG_X509_STRICT`).
        ///
        /// Default true. An authority that says nothing of its key's use, as `openssl req -x509`
        /// makes it, is refused then.
        public var isStrict = true
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

        private var serverNameText: ExactText?
        private var verifiedNameText: ExactText?
        private var tls12CipherSuitesText: [ExactText]?
        private var tls13CipherSuitesText: [ExactText]?
        private var groupsText: [ExactText]?

        public init() {}
    }
}
