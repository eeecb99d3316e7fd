import CApusOpenSSL

/// A certificate chain and its private key, both PEM files.
package struct CertificateFiles: Sendable, Hashable {
    /// The leaf first, then its intermediates.
    package var chain: String
    package var key: String

    package init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }
}

/// The TLS versions that a fixture can be limited to.
package enum LoopbackTLSVersion: Sendable, CaseIterable {
    case tls12, tls13

    fileprivate var code: Int {
        switch self {
        case .tls12: Int(TLS1_2_VERSION)
        case .tls13: Int(TLS1_3_VERSION)
        }
    }
}

/// A server's TLS settings: its certificate, its ALPN list and its client authentication.
final class TLSAcceptor: @unchecked Sendable {
    struct Settings: Sendable {
        var certificate: CertificateFiles
        /// In order of preference; empty gives no answer.
        var protocols: [String]
        /// Answer with the first of them, offered or not.
        var insistsOnProtocol = false
        /// Refuse a client that offers none of them (RFC 7301, section 3.2), instead of answering
        /// nothing.
        var refusesOtherProtocols = false
        var clientCA: String?
        var requiresClientCertificate = true
        var minimumVersion = LoopbackTLSVersion.tls12
        var maximumVersion = LoopbackTLSVersion.tls13
        var issuesTickets = true
    }

    // Invariant: never changed after `init`; OpenSSL locks what connections share.
    private let context: OpaquePointer
    /// The ALPN list, each name as bytes.
    fileprivate let protocols: [[UInt8]]
    fileprivate let insistsOnProtocol: Bool
    fileprivate let refusesOtherProtocols: Bool
    /// The storage of an answer that was not offered.
    fileprivate let ownAnswer: UnsafeMutablePointer<UInt8>

    init(_ settings: Settings) throws {
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw LoopbackError("SSL_CTX_new failed")
        }
        self.context = context
        protocols = settings.protocols.map { Array($0.utf8) }
        insistsOnProtocol = settings.insistsOnProtocol
        refusesOtherProtocols = settings.refusesOtherProtocols
        ownAnswer = .allocate(capacity: 256)
        ownAnswer.initialize(repeating: 0, count: 256)
        for (index, byte) in (protocols.first ?? []).prefix(255).enumerated() {
            ownAnswer[index] = byte
        }
        // Clients must refuse weak keys, so the server accepts them.
        SSL_CTX_set_security_level(context, 0)
        let files = settings.certificate
        guard SSL_CTX_use_certificate_chain_file(context, files.chain) == 1,
            SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) == 1,
            SSL_CTX_check_private_key(context) == 1
        else {
            throw LoopbackError("unusable certificate or key: \(files.chain), \(files.key)")
        }
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, settings.minimumVersion.code, nil)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, settings.maximumVersion.code, nil)
        SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
        // Without an ID, a context that requests certificates never resumes sessions.
        let sessionContext = Array("loopback".utf8)
        SSL_CTX_set_session_id_context(context, sessionContext, UInt32(sessionContext.count))
        if !settings.issuesTickets {
            SSL_CTX_set_options(context, UInt64(1) << 14)  // SSL_OP_NO_TICKET
            SSL_CTX_set_num_tickets(context, 0)
            SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, 0, nil)
        }
        if let authority = settings.clientCA {
            guard SSL_CTX_load_verify_file(context, authority) == 1 else {
                throw LoopbackError("unusable certificate authority: \(authority)")
            }
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(authority))
            var mode = SSL_VERIFY_PEER
            if settings.requiresClientCertificate { mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT }
            SSL_CTX_set_verify(context, mode, nil)
        }
        if !protocols.isEmpty {
            // Every layer keeps this object alive while the callback can be called.
            SSL_CTX_set_alpn_select_cb(
                context, selectProtocol, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    deinit {
        SSL_CTX_free(context)
        ownAnswer.deallocate()
    }

    func makeLayer() -> TLSLayer? {
        ERR_clear_error()
        guard let ssl = SSL_new(context) else { return nil }
        return TLSLayer(ssl, acceptor: self)
    }
}

/// Picks the first of the server's protocols that the client offers.
private func selectProtocol(
    _ ssl: OpaquePointer?, _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ outLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?,
    _ offeredLength: UInt32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context, let offered, let out, let outLength else { return SSL_TLSEXT_ERR_NOACK }
    let acceptor = Unmanaged<TLSAcceptor>.fromOpaque(context).takeUnretainedValue()
    if acceptor.insistsOnProtocol, let first = acceptor.protocols.first {
        out.pointee = UnsafePointer(acceptor.ownAnswer)
        outLength.pointee = UInt8(clamping: first.count)
        return SSL_TLSEXT_ERR_OK
    }
    let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    for wanted in acceptor.protocols {
        var index = 0
        while index < list.count {
            let length = Int(list[index])
            guard index + 1 + length <= list.count else { break }
            if list[(index + 1)..<(index + 1 + length)].elementsEqual(wanted) {
                // The answer points into the client's list, which is valid after this call.
                out.pointee = offered + index + 1
                outLength.pointee = UInt8(length)
                return SSL_TLSEXT_ERR_OK
            }
            index += 1 + length
        }
    }
    return acceptor.refusesOtherProtocols ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK
}
