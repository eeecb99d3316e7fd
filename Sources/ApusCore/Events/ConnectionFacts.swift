/// Facts about an established connection.
public struct ConnectionFacts: Sendable, Hashable {
    /// The protocol spoken: "http/1.1" or "h2".
    public var protocolName: String
    /// The peer's address as text: the proxy's when there is one.
    public var remoteAddress: String
    /// What TLS agreed on with the origin; `nil` for a connection without TLS.
    public var tls: TLSFacts?
    /// From the start of the dial until the name was resolved.
    public var resolved: Duration = .zero
    /// From the start of the dial until TCP was connected.
    public var connected: Duration = .zero
    /// From the start of the dial until TLS was established with the origin.
    public var secured: Duration = .zero

    /// What a TLS handshake agreed on.
    public struct TLSFacts: Sendable, Hashable {
        /// The protocol version: "TLSv1.3" or "TLSv1.2".
        public var version: String
        /// The cipher suite, by OpenSSL's name.
        public var cipher: String
        /// The protocol chosen by ALPN; `nil` when the server chose none.
        public var alpn: String?
        /// Whether the handshake resumed an earlier session.
        public var isResumed: Bool
        /// The server's certificates, its own first: the verified chain, or the chain as sent where
        /// verification was skipped.
        ///
        /// After a resumption they are those of the first handshake.
        public var certificates: [CertificateFacts] {
            get { chain.facts }
            set { chain = CertificateChain { newValue } }
        }
        private var chain: CertificateChain

        /// Creates the facts of one handshake.
        public init(
            version: String, cipher: String, alpn: String?, isResumed: Bool,
            certificates: [CertificateFacts] = []
        ) {
            self.init(
                version: version, cipher: cipher, alpn: alpn, isResumed: isResumed,
                chain: CertificateChain { certificates })
        }

        package init(
            version: String, cipher: String, alpn: String?, isResumed: Bool,
            chain: CertificateChain
        ) {
            self.version = version
            self.cipher = cipher
            self.alpn = alpn
            self.isResumed = isResumed
            self.chain = chain
        }
    }

    /// Creates the facts of a connection, with durations of zero.
    public init(protocolName: String, remoteAddress: String, tls: TLSFacts?) {
        self.protocolName = protocolName
        self.remoteAddress = remoteAddress
        self.tls = tls
    }
}
