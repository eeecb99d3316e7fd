package import ApusCore
import CApusOpenSSL

/// The state shared by all connections with the same TLS settings: trust, identity, versions and
/// ALPN.
///
/// It is immutable. Certificates of the system's store are loaded when they are first needed.
package final class TLSContext: Sendable {
    // Invariant: configured in `init` only and freed in `deinit`; OpenSSL itself locks what
    // connections on several threads share in it.
    nonisolated(unsafe) let pointer: OpaquePointer
    let settings: EngineTuning.TLS
    /// The protocols to offer, in order of preference.
    let alpn: [String]
    /// The digest of the material that this context was made from.
    let material: String

    /// Creates a context and reads the files of `settings`.
    ///
    /// - Throws: `TLSError` of kind `configuration` when a file or value is unusable.
    package convenience init(_ settings: EngineTuning.TLS, alpn: [String]) throws(TLSError) {
        try self.init(settings, TLSMaterial(settings), alpn: alpn)
    }

    /// Creates a context from material that was read before.
    ///
    /// - Throws: `TLSError` of kind `configuration` when a value is unusable.
    package init(
        _ settings: EngineTuning.TLS, _ material: TLSMaterial, alpn: [String]
    ) throws(TLSError) {
        startOpenSSL()
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw .refusedSetting("cannot make a TLS context")
        }
        pointer = context
        self.settings = settings
        self.alpn = alpn
        self.material = material.digest
        try configureProtocol()
        try configureALPN()
        configureSessions()
        ContextCallbacks.install(
            on: context, keepsSessions: settings.resumption, logsKeys: settings.keyLog != nil)
        try configureTrust(material.roots)
        try configureIdentity(material.identity)
    }

    /// Checks settings before anything needs them: files are read and parsed, and given bytes are
    /// parsed; the system's store and sources, which are read when they are needed, are not.
    ///
    /// - Throws: `TLSError` of kind `configuration` naming the file or value at fault.
    package static func check(_ settings: EngineTuning.TLS) throws(TLSError) {
        var checked = settings
        switch settings.roots {
        // The store is read bit by bit, and a source when it is needed.
        case .system, .source: checked.insecureSkipVerify = true
        case .file, .pem, .bytes: break
        }
        if case .source = settings.identity?.form { checked.identity = nil }
        // Nothing else can be at fault that `EngineTuning.validate` accepts.
        guard !checked.insecureSkipVerify || checked.identity != nil else { return }
        _ = try TLSContext(checked, alpn: [])
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
        // For TLS 1.2 only the suites that RFC 9325 recommends: forward secrecy, and authenticated
        // encryption, which HTTP/2 requires (RFC 9113, section 9.2.2). DHE is excluded: the server
        // chooses the group, and OpenSSL accepts 10,000 bits, which would block a loop for a
        // second. DSS is excluded too.
        let ciphers = settings.tls12CipherSuites?.joined(separator: ":")
        guard SSL_CTX_set_cipher_list(pointer, ciphers ?? "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
        else { throw .refusedSetting("tls.tls12CipherSuites") }
        if let suites = settings.tls13CipherSuites?.joined(separator: ":") {
            guard SSL_CTX_set_ciphersuites(pointer, suites) == 1 else {
                throw .refusedSetting("tls.tls13CipherSuites")
            }
        }
        let groups = settings.groups?.joined(separator: ":")
        guard apus_ssl_ctx_set_groups(pointer, groups ?? "X25519:P-256:P-384:P-521") == 1 else {
            throw .refusedSetting("tls.groups")
        }
        SSL_CTX_set_options(
            pointer, APUS_SSL_OP_NO_RENEGOTIATION | APUS_SSL_OP_NO_COMPRESSION)
        // A system-wide configuration file may have set these; both can hide an attack.
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
                throw TLSError(
                    .configuration, "an ALPN name has \(name.utf8.count) bytes, not 1 to 255")
            }
            list.append(UInt8(name.utf8.count))
            list.append(contentsOf: name.utf8)
        }
        // This function returns 0 for success.
        guard SSL_CTX_set_alpn_protos(pointer, list, UInt32(list.count)) == 0 else {
            throw .refusedSetting("ALPN")
        }
    }

    /// Sessions are received by a callback; OpenSSL's own cache would mix hops and routes.
    private func configureSessions() {
        guard settings.resumption else {
            apus_ssl_ctx_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
            SSL_CTX_set_options(pointer, APUS_SSL_OP_NO_TICKET)
            return
        }
        apus_ssl_ctx_set_session_cache_mode(
            pointer, Int(SSL_SESS_CACHE_CLIENT) | Int(SSL_SESS_CACHE_NO_INTERNAL))
    }
}

extension EngineTuning.TLS.Version {
    /// OpenSSL's number for the version.
    fileprivate var code: Int32 {
        switch self {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}
