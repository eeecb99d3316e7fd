import ApusCore
import CApusOpenSSL
import Loopback

/// A server's settings, shared by its connections so that they can resume each other's sessions.
///
/// Unchecked, because nothing changes after `init` and OpenSSL locks what connections share.
final class TLSServerContext: @unchecked Sendable {
    /// What the server says to the client's ALPN offer.
    enum ProtocolChoice {
        /// Nothing, as a server does that does not know ALPN.
        case none
        /// This name, offered or not.
        case always(StaticString)
    }

    let pointer: OpaquePointer
    fileprivate let choice: ProtocolChoice

    init(
        certificate: String = "leaf", choice: ProtocolChoice = .none,
        versions: ClosedRange<EngineTuning.TLS.Version> = .tls12 ... .tls13,
        requiresClientCertificate: Bool = false, securityLevel: Int32 = 2
    ) throws {
        try FixturePaths.ensureCertificates()
        self.choice = choice
        pointer = try require(SSL_CTX_new(TLS_server_method()))
        SSL_CTX_set_security_level(pointer, securityLevel)
        let files = FixturePaths.certificate(certificate)
        try check(SSL_CTX_use_certificate_chain_file(pointer, files.chain))
        try check(SSL_CTX_use_PrivateKey_file(pointer, files.key, SSL_FILETYPE_PEM))
        try check(Int32(apus_ssl_ctx_set_min_version(pointer, code(versions.lowerBound))))
        try check(Int32(apus_ssl_ctx_set_max_version(pointer, code(versions.upperBound))))
        try check(SSL_CTX_set_session_id_context(pointer, [1], 1))
        if requiresClientCertificate {
            try check(SSL_CTX_load_verify_file(pointer, FixturePaths.pem("ca")))
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        SSL_CTX_set_alpn_select_cb(
            pointer, chooseProtocol, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        SSL_CTX_free(pointer)
    }
}

private func chooseProtocol(
    _ ssl: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ count: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ length: UInt32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context, let chosen, let count else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let server = Unmanaged<TLSServerContext>.fromOpaque(context).takeUnretainedValue()
    guard case .always(let name) = server.choice else { return SSL_TLSEXT_ERR_NOACK }
    chosen.pointee = UnsafePointer(name.utf8Start)
    count.pointee = UInt8(name.utf8CodeUnitCount)
    return SSL_TLSEXT_ERR_OK
}

private func code(_ version: EngineTuning.TLS.Version) -> Int32 {
    switch version {
    case .tls12: TLS1_2_VERSION
    case .tls13: TLS1_3_VERSION
    }
}

/// The server's side could not be set up, or did not do what a test needs of it.
struct ServerFailure: Error {
    let reason: String

    init() {
        reason = ERR_reason_error_string(ERR_peek_error()).map { String(cString: $0) } ?? "failed"
    }
}

func check(_ result: Int32) throws {
    guard result == 1 else { throw ServerFailure() }
}

func require(_ pointer: OpaquePointer?) throws -> OpaquePointer {
    guard let pointer else { throw ServerFailure() }
    return pointer
}
