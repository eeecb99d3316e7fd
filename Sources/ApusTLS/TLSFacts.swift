package import ApusCore
import CApusOpenSSL

/// What a handshake agreed on.
package struct TLSFacts: Sendable, Hashable {
    /// "TLSv1.3" or "TLSv1.2".
    package let version: String
    /// The cipher suite by its name in OpenSSL.
    package let cipher: String
    /// The protocol that ALPN chose; `nil` when the server chose none.
    package let alpn: String?
    /// Whether the handshake resumed an earlier session.
    package let isResumed: Bool
    /// The peer's certificates (`CiphertextPort.chain`).
    package let chain: CertificateChain

    /// The facts of those certificates, the peer's own first.
    package var certificates: [CertificateFacts] { chain.facts }

    /// The subject of the peer's certificate, as in "CN=localhost"; empty when it has none.
    package var peerSubject: String { certificates.first?.subject ?? "" }
}

extension TLSFacts {
    /// Reads the facts of a completed handshake.
    init(of ssl: OpaquePointer, chain: CertificateChain) {
        self.chain = chain
        version = SSL_get_version(ssl).map { String(cString: $0) } ?? ""
        cipher =
            SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }
            .map { String(cString: $0) } ?? ""
        alpn = Self.chosenProtocol(of: ssl)
        isResumed = SSL_session_reused(ssl) == 1
    }

    /// The protocol that the server chose by ALPN.
    static func chosenProtocol(of ssl: OpaquePointer) -> String? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        guard let name, length > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }
}
