/// What is known of an established connection.
public struct ConnectionFacts: Sendable, Hashable {
    /// The protocol spoken: "http/1.1" or "h2".
    public var protocolName: String
    /// The peer's address as text: the proxy's when there is one.
    public var remoteAddress: String
    /// What TLS agreed on with the origin; `nil` in the clear.
    public var tls: TLSFacts?
    /// Since the dial began: names resolved, TCP connected, TLS done.
    public var resolved: Duration = .zero
    public var connected: Duration = .zero
    public var secured: Duration = .zero

    /// What a TLS handshake agreed on.
    public struct TLSFacts: Sendable, Hashable {
        /// "TLSv1.3" or "TLSv1.2".
        public var version: String
        public var cipher: String
        /// The protocol chosen by ALPN; `nil` when the server chose none.
        public var alpn: String?
        public var isResumed: Bool
        /// The server's certificates, its own first: the verified chain, or what it sent where
        /// nothing was verified or an earlier session was resumed.
        public var certificates: [CertificateFacts] = []

        public init(
            version: String, cipher: String, alpn: String?, isResumed: Bool,
            certificates: [CertificateFacts] = []
        ) {
            self.version = version
            self.cipher = cipher
            self.alpn = alpn
            self.isResumed = isResumed
            self.certificates = certificates
        }
    }

    public init(protocolName: String, remoteAddress: String, tls: TLSFacts?) {
        self.protocolName = protocolName
        self.remoteAddress = remoteAddress
        self.tls = tls
    }
}
