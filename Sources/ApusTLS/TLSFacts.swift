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
    /// The subject of the peer's certificate, as in "CN=localhost"; empty when it has none.
    package let peerSubject: String
}

extension TLSFacts {
    /// Reads the facts of a completed handshake.
    init(of ssl: OpaquePointer) {
        version = SSL_get_version(ssl).map { String(cString: $0) } ?? ""
        cipher =
            SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }
            .map { String(cString: $0) } ?? ""
        alpn = Self.chosenProtocol(of: ssl)
        isResumed = SSL_session_reused(ssl) == 1
        peerSubject = SSL_get0_peer_certificate(ssl).map { subject(of: $0) } ?? ""
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

/// A certificate's subject on one line (RFC 2253), at most 512 bytes of it.
///
/// What is not printable ASCII comes out escaped, so that a peer cannot write into a log.
func subject(of certificate: OpaquePointer) -> String {
    guard let name = X509_get_subject_name(certificate), let line = BIO_new(BIO_s_mem()) else {
        return ""
    }
    defer { BIO_free(line) }
    guard X509_NAME_print_ex(line, name, 0, APUS_XN_FLAG_RFC2253) >= 0 else { return "" }
    var start: UnsafeMutablePointer<CChar>?
    let count = apus_bio_pending_bytes(line, &start)
    guard let start, count > 0 else { return "" }
    let bytes = UnsafeRawBufferPointer(start: start, count: min(count, 512))
    return String(decoding: bytes, as: UTF8.self)
}
