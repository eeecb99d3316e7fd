import CApusOpenSSL

/// What OpenSSL calls while a connection of the context is in one of its calls.
///
/// File-level functions, because a closure made in an isolated context traps when C calls it.
enum ContextCallbacks {
    static func install(on context: OpaquePointer, keepsSessions: Bool) {
        SSL_CTX_set_msg_callback(context, messageSeen)
        // An encrypted key file fails, where the default would ask on the terminal.
        SSL_CTX_set_default_passwd_cb(context, refusePassword)
        if keepsSessions { SSL_CTX_sess_set_new_cb(context, sessionMade) }
    }

    static func requireValidCertificate(on context: OpaquePointer) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, certificateJudged)
    }
}

/// Notes what was refused and where, which OpenSSL forgets; the verdict is OpenSSL's.
private func certificateJudged(_ isAccepted: Int32, _ store: OpaquePointer?) -> Int32 {
    guard isAccepted == 0, let store else { return isAccepted }
    let data = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    guard let data, let port = CiphertextPort.of(OpaquePointer(data)) else { return isAccepted }
    port.refusal = CiphertextPort.Refusal(
        code: Int(X509_STORE_CTX_get_error(store)),
        depth: Int(X509_STORE_CTX_get_error_depth(store)),
        subject: X509_STORE_CTX_get_current_cert(store).map { subject(of: $0) } ?? "")
    return isAccepted
}

/// Keeps a session: after the handshake in TLS 1.2, whenever a ticket arrives in TLS 1.3.
///
/// OpenSSL calls this only once the certificate was accepted and the handshake's end was checked.
///
/// - Returns: 1 when the reference was taken over.
private func sessionMade(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    guard let port = CiphertextPort.of(ssl), let session, port.refusal == nil,
        SSL_SESSION_is_resumable(session) == 1
    else { return 0 }
    port.sessionReceived(
        TLSSession(adopting: session, context: port.context, serverName: port.serverName))
    return 1
}

/// Counts the handshake messages of the peer.
private func messageSeen(
    _ isWritten: Int32, _ version: Int32, _ type: Int32, _ bytes: UnsafeRawPointer?, _ count: Int,
    _ ssl: OpaquePointer?, _ argument: UnsafeMutableRawPointer?
) {
    guard isWritten == 0, type == SSL3_RT_HANDSHAKE else { return }
    CiphertextPort.of(ssl)?.handshakeMessageReceived()
}

private func refusePassword(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    -1
}
