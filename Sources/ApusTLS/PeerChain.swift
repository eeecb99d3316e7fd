import ApusCore
import CApusOpenSSL

// Facts about a peer's certificates.

/// The certificates of a chain, the peer's own first, at most `maxChainLength`.
func certificates(of chain: OpaquePointer?) -> [OpaquePointer] {
    guard let chain else { return [] }
    return (0..<min(maxChainLength, max(0, apus_x509_count(chain)))).compactMap {
        apus_x509_at(chain, $0)
    }
}

/// OpenSSL verifies chains of up to a hundred; real chains have at most five.
private let maxChainLength: Int32 = 16

/// Certificates that are kept for as long as their facts may be asked for.
private final class KeptCertificates: Sendable {
    // Invariant: one reference to each is owned here and released in `deinit`. OpenSSL counts
    // references atomically, and reading a certificate does not change it.
    nonisolated(unsafe) private let pointers: [OpaquePointer]

    init(_ pointers: [OpaquePointer]) {
        for pointer in pointers { X509_up_ref(pointer) }
        self.pointers = pointers
    }

    deinit {
        for pointer in pointers { X509_free(pointer) }
    }

    var facts: [CertificateFacts] { pointers.map(CertificateFacts.init(of:)) }
}

extension CertificateChain {
    /// The chain of a handshake that was not a resumption, once the certificate was accepted.
    convenience init(of ssl: OpaquePointer) {
        let isVerified = SSL_get_verify_result(ssl) == X509_V_OK
        let verified = isVerified ? certificates(of: SSL_get0_verified_chain(ssl)) : []
        let kept = KeptCertificates(
            verified.isEmpty ? certificates(of: SSL_get_peer_cert_chain(ssl)) : verified)
        self.init { kept.facts }
    }
}

extension CertificateFacts {
    init(of certificate: OpaquePointer) {
        self.init(
            subject: name(X509_get_subject_name(certificate)),
            issuer: name(X509_get_issuer_name(certificate)),
            serialNumber: serial(of: certificate),
            notBefore: time(X509_get0_notBefore(certificate)),
            notAfter: time(X509_get0_notAfter(certificate)),
            publicKey: keyDigest(of: certificate))
    }
}

/// A certificate in DER.
func encoding(of certificate: OpaquePointer) -> Bytes {
    var start: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(certificate, &start)
    guard let start, count > 0 else { return .empty }
    defer { CRYPTO_free(start, nil, 0) }
    return Bytes(Array(UnsafeBufferPointer(start: start, count: Int(count))))
}

/// The digest of a certificate's SubjectPublicKeyInfo.
func keyDigest(of certificate: OpaquePointer) -> PublicKeyPin? {
    var start: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &start)
    guard let start, count > 0 else { return nil }
    defer { CRYPTO_free(start, nil, 0) }
    var digest = [UInt8](repeating: 0, count: 32)
    guard EVP_Digest(start, Int(count), &digest, nil, EVP_sha256(), nil) == 1 else { return nil }
    return PublicKeyPin(digest: digest)
}

/// A certificate's subject on one line.
func subject(of certificate: OpaquePointer) -> String {
    name(X509_get_subject_name(certificate))
}

/// A name on one line (RFC 2253), at most 512 bytes of it.
///
/// Bytes that are not printable ASCII are escaped, so that a peer cannot inject text into a log.
private func name(_ name: OpaquePointer?) -> String {
    guard let name else { return "" }
    return line(limit: 512) { X509_NAME_print_ex($0, name, 0, APUS_XN_FLAG_RFC2253) >= 0 }
}

private func time(_ time: UnsafePointer<ASN1_TIME>?) -> String {
    guard let time else { return "" }
    return line(limit: 64) { ASN1_TIME_print_ex($0, time, UInt(ASN1_DTFLGS_ISO8601)) == 1 }
}

/// RFC 5280 allows 20 bytes; further bytes are cut.
private func serial(of certificate: OpaquePointer) -> String {
    guard let number = X509_get0_serialNumber(certificate) else { return "" }
    return line(limit: 64) { i2a_ASN1_INTEGER($0, number) > 0 }.lowercased()
}

/// What OpenSSL prints, on one line.
private func line(limit: Int, _ write: (OpaquePointer) -> Bool) -> String {
    guard let line = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(line) }
    guard write(line) else { return "" }
    var start: UnsafeMutablePointer<CChar>?
    let count = apus_bio_pending_bytes(line, &start)
    guard let start, count > 0 else { return "" }
    let bytes = UnsafeRawBufferPointer(start: start, count: min(count, limit))
    return String(decoding: bytes, as: UTF8.self)
}

extension CertificateRefusal.Check {
    /// The check for one of OpenSSL's verification codes.
    init(code: Int) {
        switch Int32(truncatingIfNeeded: code) {
        case X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
            self = .notYetValid
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
            self = .expired
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: self = .name
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED,
            X509_V_ERR_CERT_REJECTED, X509_V_ERR_CERT_CHAIN_TOO_LONG:
            self = .trust
        case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE,
            X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            self = .signature
        case X509_V_ERR_INVALID_CA, X509_V_ERR_PATH_LENGTH_EXCEEDED, X509_V_ERR_INVALID_PURPOSE,
            X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
            self = .purpose
        case X509_V_ERR_PERMITTED_VIOLATION, X509_V_ERR_EXCLUDED_VIOLATION,
            X509_V_ERR_SUBTREE_MINMAX, X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE,
            X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
            self = .nameConstraints
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK:
            self = .strength
        case X509_V_ERR_CERT_REVOKED: self = .revocation
        // What X509_STRICT adds, from the empty path length to the missing key identifiers.
        case X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA...X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3:
            self = .strictness
        default: self = .other
        }
    }
}
