// TLS settings.
extension EngineTuning {
    /// TLS settings: trust, identity, versions and verification.
    ///
    /// They are a part of the route: requests with different settings never share a connection.
    public struct TLS: Sendable, Hashable {
        /// The certificates that a server's chain must lead to.
        ///
        /// Two values are equal only when their texts have equal bytes.
        public enum Roots: Sendable, Hashable {
            /// The system's certificate store.
            case system
            /// Only the certificates of a file, PEM or DER.
            case file(String)
            /// Only the certificates in a PEM text.
            case pem(String)
            /// Only the certificates in these bytes, PEM or consecutive DER.
            case bytes(Bytes)
            /// Only the certificates that the source returns, PEM or DER.
            case source(TLSSource)

            /// Whether both are of one kind with equal bytes or the same source.
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

            /// Hashes the text, the bytes or the source.
            public func hash(into hasher: inout Hasher) {
                switch self {
                case .system: hasher.combine(0)
                case .file(let text), .pem(let text): hasher.combine(text)
                case .bytes(let bytes): hasher.combine(bytes)
                case .source(let source): hasher.combine(source)
                }
            }
        }

        /// A version of TLS.
        public enum Version: Int, Sendable, Hashable, Comparable {
            /// TLS 1.2 (RFC 5246).
            case tls12 = 12
            /// TLS 1.3 (RFC 8446).
            case tls13 = 13

            /// Whether one version is older than another.
            public static func < (left: Version, right: Version) -> Bool {
                left.rawValue < right.rawValue
            }
        }

        /// The certificates that a server's chain must lead to.
        ///
        /// Default: the system's store.
        public var roots: Roots = .system
        /// Our certificate and key, for servers that ask; `nil`, the default, presents none.
        public var identity: Identity?
        /// The oldest version that is accepted; TLS 1.2 by default.
        public var minimumVersion: Version = .tls12
        /// The newest version that is offered; TLS 1.3 by default.
        public var maximumVersion: Version = .tls13
        /// The name that is sent as SNI and verified; `nil`, the default, is the origin's host.
        public var serverName: String? {
            get { serverNameText?.text }
            set { serverNameText = newValue.map { ExactText($0) } }
        }
        /// The name or address that the certificate must be for; `nil`, the default, is the one
        /// sent as SNI.
        public var verifiedName: String? {
            get { verifiedNameText?.text }
            set { verifiedNameText = newValue.map { ExactText($0) } }
        }
        /// Whether the server's name is sent (SNI, RFC 6066, section 3).
        ///
        /// Default `true`; an address is never sent.
        public var sendsServerName = true
        /// Cipher suites of TLS 1.2 by OpenSSL's names, in order of preference; `nil`, the default,
        /// offers ECDHE with AES-GCM or ChaCha20 (RFC 9325, section 4.2).
        ///
        /// DHE may be named here. The server then chooses the group, and OpenSSL accepts up to
        /// 10,000 bits, which costs a second of the loop's time per handshake.
        public var tls12CipherSuites: [String]? {
            get { tls12CipherSuitesText.map { $0.map(\.text) } }
            set { tls12CipherSuitesText = newValue.map { $0.map { ExactText($0) } } }
        }
        /// Cipher suites of TLS 1.3 by OpenSSL's names, in order of preference; `nil`, the default,
        /// leaves the choice to OpenSSL.
        public var tls13CipherSuites: [String]? {
            get { tls13CipherSuitesText.map { $0.map(\.text) } }
            set { tls13CipherSuitesText = newValue.map { $0.map { ExactText($0) } } }
        }
        /// Groups for the key exchange by OpenSSL's names, in order of preference; `nil`, the
        /// default, offers X25519, P-256, P-384 and P-521.
        public var groups: [String]? {
            get { groupsText.map { $0.map(\.text) } }
            set { groupsText = newValue.map { $0.map { ExactText($0) } } }
        }
        /// Public keys of which one must be in the verified chain; empty, the default, requires
        /// none.
        ///
        /// Where verification is skipped, only the server's own certificate counts.
        public var pins: Set<PublicKeyPin> = []
        /// A further check of certificates that verification and pins accepted; it can only refuse
        /// more.
        ///
        /// `nil` by default.
        public var verifier: PeerVerifier?
        /// Whether `roots` may contain intermediate certificates that end a chain
        /// (`X509_V_FLAG_PARTIAL_CHAIN`).
        ///
        /// Default `false`.
        public var allowsPartialChain = false
        /// Whether certificates must obey rules of RFC 5280 that OpenSSL checks only on request
        /// (`X509_V_FLAG_X509_STRICT`).
        ///
        /// Default `true`, which refuses an authority without a key usage, as `openssl req -x509`
        /// makes it.
        public var isStrict = true
        /// A log of each connection's secrets, for decrypting captured traffic; `nil`, the default,
        /// logs none.
        ///
        /// The secrets decrypt everything.
        public var keyLog: TLSKeyLog?
        /// Whether any certificate is accepted, without verification; `false` by default.
        ///
        /// Every snapshot shows it.
        public var insecureSkipVerify = false
        /// Whether sessions are resumed.
        ///
        /// Default `true`. A resumed handshake has no certificate: pins and verifier checked the
        /// one of the first handshake.
        public var resumption = true
        /// Sessions kept per route, and per `https` proxy with its settings, from 1 to 64.
        ///
        /// Default 16: in TLS 1.3 each serves one connection only, and a burst of connections takes
        /// as many.
        public var maxSessionsPerRoute = 16

        private var serverNameText: ExactText?
        private var verifiedNameText: ExactText?
        private var tls12CipherSuitesText: [ExactText]?
        private var tls13CipherSuitesText: [ExactText]?
        private var groupsText: [ExactText]?

        /// Creates the default settings.
        public init() {}
    }
}
