import ApusCore
import CApusOpenSSL

/// The callbacks that OpenSSL calls during calls on a connection of the context.
///
/// They are file-level functions, because a closure made in an isolated context traps when C calls
/// it.
enum ContextCallbacks {
    static func install(on context: OpaquePointer, keepsSessions: Bool, logsKeys: Bool) {
        SSL_CTX_set_msg_callback(context, messageSeen)
        SSL_CTX_set_default_passwd_cb(context, refuseAnyPassword)
        if logsKeys { SSL_CTX_set_keylog_callback(context, keyLogged) }
        if keepsSessions { SSL_CTX_sess_set_new_cb(context, sessionMade) }
    }

    static func judgeCertificates(on context: OpaquePointer) {
        SSL_CTX_set_cert_verify_callback(context, chainJudged, nil)
    }

    static func requireValidCertificate(on context: OpaquePointer) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, certificateJudged)
    }
}

/// Records what was refused and where, which OpenSSL does not keep; the verdict is OpenSSL's,
/// except for names with an underscore.
private func certificateJudged(_ isAccepted: Int32, _ store: OpaquePointer?) -> Int32 {
    guard isAccepted == 0, let store, let port = CiphertextPort.of(store: store) else {
        return isAccepted
    }
    let code = X509_STORE_CTX_get_error(store)
    let certificate = X509_STORE_CTX_get_current_cert(store)
    if code == X509_V_ERR_HOSTNAME_MISMATCH, let certificate,
        isCoveredByWildcard(port.verifiedName, certificate)
    {
        X509_STORE_CTX_set_error(store, X509_V_OK)
        return 1
    }
    port.refuse(
        code: code, depth: X509_STORE_CTX_get_error_depth(store), certificate: certificate)
    return isAccepted
}

/// Whether a wildcard of the certificate matches the first label of a name, and that label has an
/// underscore.
///
/// A wildcard matches one whole label (RFC 9525, section 6.3). OpenSSL requires that label to have
/// only letters, digits and hyphens, but names in use have underscores too. So OpenSSL checks the
/// name with another first label, and only a match by a wildcard counts.
private func isCoveredByWildcard(_ name: String, _ certificate: OpaquePointer) -> Bool {
    let label = name.utf8.prefix { $0 != UInt8(ascii: ".") }
    let isLabel = label.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
    guard isLabel, label.contains(UInt8(ascii: "_")) else { return false }
    let twin = "any-label-that-is-in-no-certificate" + name.dropFirst(label.count)
    var matched: UnsafeMutablePointer<CChar>?
    let flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
    guard X509_check_host(certificate, twin, twin.utf8.count, UInt32(flags), &matched) == 1,
        let matched
    else { return false }
    defer { CRYPTO_free(matched, nil, 0) }
    return matched.pointee == CChar(UInt8(ascii: "*"))
}

/// Checks a whole chain: OpenSSL first, unless verification is skipped; then the pins; then the
/// verifier, which is asynchronous.
private func chainJudged(_ store: OpaquePointer?, _ argument: UnsafeMutableRawPointer?) -> Int32 {
    guard let store, let port = CiphertextPort.of(store: store) else { return 0 }
    let settings = port.context.settings
    if !settings.insecureSkipVerify, X509_verify_cert(store) != 1 {
        port.exhaustion = apus_exhausted()
        return 0
    }
    let chain =
        settings.insecureSkipVerify
        ? certificates(of: X509_STORE_CTX_get0_untrusted(store))
        : certificates(of: X509_STORE_CTX_get0_chain(store))
    guard isPinned(chain, settings) else {
        port.refuse(check: .pin, certificate: chain.first)
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
        return 0
    }
    guard settings.verifier != nil, let ssl = port.connection else { return 1 }
    if case .given(let verdict) = port.verification {
        guard case .refuse(let reason) = verdict else { return 1 }
        port.refusalReason = reason
        port.refuse(check: .verifier, certificate: chain.first)
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
        return 0
    }
    port.verification = .asked(
        PeerVerifier.Peer(
            name: port.verifiedName, certificates: chain.map(CertificateFacts.init(of:)),
            encodings: chain.map(encoding(of:))))
    // The handshake pauses; its next call returns here with the verdict.
    return apus_ssl_set_retry_verify(ssl) == 1 ? 1 : 0
}

/// Whether a pinned key is in the chain, or none is required.
///
/// In an unverified chain an attacker could append any certificate after the first.
private func isPinned(_ chain: [OpaquePointer], _ settings: EngineTuning.TLS) -> Bool {
    guard !settings.pins.isEmpty else { return true }
    return chain.prefix(settings.insecureSkipVerify ? 1 : chain.count).contains { certificate in
        keyDigest(of: certificate).map(settings.pins.contains) ?? false
    }
}

private func keyLogged(_ ssl: OpaquePointer?, _ line: UnsafePointer<CChar>?) {
    guard let line, let port = CiphertextPort.of(ssl) else { return }
    port.context.settings.keyLog?.write(String(cString: line))
}

/// Keeps a session: after the handshake in TLS 1.2, whenever a ticket arrives in TLS 1.3.
///
/// OpenSSL calls this only after the certificate was accepted and the handshake's end was checked.
///
/// - Returns: 1 when this function keeps the reference.
private func sessionMade(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    guard let port = CiphertextPort.of(ssl), let session, port.refusal == nil,
        SSL_SESSION_is_resumable(session) == 1
    else { return 0 }
    port.sessionReceived(
        TLSSession(
            adopting: session, context: port.context, serverName: port.serverName,
            chain: port.chain))
    return 1
}

/// Counts the peer's handshake messages.
private func messageSeen(
    _ isWritten: Int32, _ version: Int32, _ type: Int32, _ bytes: UnsafeRawPointer?, _ count: Int,
    _ ssl: OpaquePointer?, _ argument: UnsafeMutableRawPointer?
) {
    guard isWritten == 0, type == SSL3_RT_HANDSHAKE else { return }
    CiphertextPort.of(ssl)?.handshakeMessageReceived()
}
