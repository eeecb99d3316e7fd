package import ApusCore
import CApusOpenSSL

/// What all connections with the same TLS settings share: trust, identity, versions and ALPN.
///
/// Immutable once made. Reading the files of its settings happens in `init` (a system trust store
/// is read certificate by certificate, when one is first needed).
package final class TLSContext: Sendable {
    // Invariant: configured in `init` only and freed in `deinit`; after that OpenSSL itself locks
    // what the connections of several threads share in it.
    nonisolated(unsafe) let pointer: OpaquePointer
    let settings: EngineTuning.TLS
    /// The protocols offered, in order of preference.
    let alpn: [String]

    /// - Throws: `TLSError` of kind `configuration` when a file or value is unusable.
    package init(_ settings: EngineTuning.TLS, alpn: [String]) throws(TLSError) {
        startOpenSSL()
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw .refusedSetting("no TLS context")
        }
        pointer = context
        self.settings = settings
        self.alpn = alpn
        try configureProtocol()
        try configureALPN()
        configureSessions()
        ContextCallbacks.install(on: context, keepsSessions: settings.resumption)
        try configureTrust()
        try configureIdentity()
    }

    deinit {
        SSL_CTX_free(pointer)
    }

    /// Versions, ciphers, groups and the modes that keep an idle connection small.
    private func configureProtocol() throws(TLSError) {
        guard apus_ssl_ctx_set_min_version(pointer, settings.minimumVersion.code) == 1,
            apus_ssl_ctx_set_max_version(pointer, settings.maximumVersion.code) == 1
        else { throw .refusedSetting("tls versions") }
        SSL_CTX_set_security_level(pointer, 2)
        // For TLS 1.2 only what RFC 9325 recommends: forward secrecy, and authenticated encryption
        // as HTTP/2 demands (RFC 9113, section 9.2.2).
        guard SSL_CTX_set_cipher_list(pointer, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM") == 1,
            apus_ssl_ctx_set_groups(pointer, "X25519:P-256:P-384:P-521") == 1
        else { throw .refusedSetting("tls ciphers") }
        SSL_CTX_set_options(
            pointer, APUS_SSL_OP_NO_RENEGOTIATION | APUS_SSL_OP_NO_COMPRESSION)
        // A system-wide configuration file may have set these; both hide an attacker's work.
        SSL_CTX_clear_options(
            pointer, APUS_SSL_OP_IGNORE_UNEXPECTED_EOF | APUS_SSL_OP_LEGACY_SERVER_CONNECT)
        apus_ssl_ctx_set_mode(
            pointer,
            Int(SSL_MODE_RELEASE_BUFFERS) | Int(SSL_MODE_ENABLE_PARTIAL_WRITE)
                | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
    }

    private func configureALPN() throws(TLSError) {
        guard !alpn.isEmpty else { return }
        var list: [UInt8] = []
        for name in alpn {
            guard (1...255).contains(name.utf8.count) else {
                throw TLSError(.configuration, "an ALPN name must have 1 to 255 bytes")
            }
            list.append(UInt8(name.utf8.count))
            list.append(contentsOf: name.utf8)
        }
        // This one function says 0 for success.
        guard SSL_CTX_set_alpn_protos(pointer, list, UInt32(list.count)) == 0 else {
            throw .refusedSetting("ALPN")
        }
    }

    /// Sessions come to us through a callback; OpenSSL's own store would mix hops and routes.
    private func configureSessions() {
        guard settings.resumption else {
            apus_ssl_ctx_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
            SSL_CTX_set_options(pointer, APUS_SSL_OP_NO_TICKET)
            return
        }
        apus_ssl_ctx_set_session_cache_mode(
            pointer, Int(SSL_SESS_CACHE_CLIENT) | Int(SSL_SESS_CACHE_NO_INTERNAL))
    }

    private func configureIdentity() throws(TLSError) {
        guard let identity = settings.identity else { return }
        let chain = try checkedPath(identity.certificateFile)
        let key = try checkedPath(identity.keyFile)
        guard SSL_CTX_use_certificate_chain_file(pointer, chain) == 1 else {
            throw .refusedSetting("certificate file \(chain)")
        }
        guard SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) == 1,
            SSL_CTX_check_private_key(pointer) == 1
        else { throw .refusedSetting("key file \(key)") }
    }
}

// MARK: Trust

extension TLSContext {
    private func configureTrust() throws(TLSError) {
        guard !settings.insecureSkipVerify else {
            SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil)
            return
        }
        ContextCallbacks.requireValidCertificate(on: pointer)
        X509_VERIFY_PARAM_set_flags(
            SSL_CTX_get0_param(pointer), UInt(X509_V_FLAG_X509_STRICT))
        switch settings.roots {
        case .system:
            trustSystem()
        case .file(let path):
            guard SSL_CTX_load_verify_file(pointer, try checkedPath(path)) == 1 else {
                throw .refusedSetting("roots file \(path)")
            }
        case .pem(let text):
            try trust(pem: text)
        }
    }

    /// OpenSSL's built-in places; its function for both of them would read the environment.
    private func trustSystem() {
        if let file = X509_get_default_cert_file() { SSL_CTX_load_verify_file(pointer, file) }
        if let folder = X509_get_default_cert_dir() { SSL_CTX_load_verify_dir(pointer, folder) }
        // One of them is usually missing.
        ERR_clear_error()
    }

    private func trust(pem text: String) throws(TLSError) {
        let bytes = Array(text.utf8)
        try bytes.span.withUnsafeBytes { (bytes) throws(TLSError) in try trust(pem: bytes) }
    }

    /// OpenSSL's reader keeps a pointer to the bytes, so it must not outlive this call.
    private func trust(pem bytes: UnsafeRawBufferPointer) throws(TLSError) {
        guard let store = SSL_CTX_get_cert_store(pointer),
            let reader = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
        else { throw .refusedSetting("roots") }
        defer { BIO_free(reader) }
        var count = 0
        while let certificate = PEM_read_bio_X509(reader, nil, refuseRootPassword, nil) {
            defer { X509_free(certificate) }
            guard X509_STORE_add_cert(store, certificate) == 1 else {
                throw .refusedSetting("roots")
            }
            count += 1
        }
        // The end of the text is told as an error too, by the absence of another certificate.
        let isEnd = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
        guard isEnd, count > 0 else { throw .refusedSetting("roots") }
        ERR_clear_error()
    }

    /// C would end the path at a zero byte, and open another file than the one meant.
    private func checkedPath(_ path: String) throws(TLSError) -> String {
        guard !path.utf8.contains(0) else {
            throw TLSError(.configuration, "a path holds a zero byte")
        }
        return path
    }
}

private func refuseRootPassword(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    -1
}

extension EngineTuning.TLS.Version {
    /// OpenSSL's number for it.
    fileprivate var code: Int32 {
        switch self {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}
