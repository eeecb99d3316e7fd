import CApusOpenSSL

/// One connection's TLS, server side, from memory to memory: no socket, hence no SIGPIPE.
final class TLSLayer {
    enum Step {
        case done(Int)
        /// More records are needed from the peer.
        case wantsInput
        /// The peer sent close_notify.
        case ended
        /// No further call may follow.
        case failed
    }

    // Invariant: `ssl` owns both BIOs; all three live as long as this object.
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private var hasFailed = false
    /// Keeps the context's callbacks valid.
    private let acceptor: TLSAcceptor

    init?(_ ssl: OpaquePointer, acceptor: TLSAcceptor) {
        guard let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            SSL_free(ssl)
            return nil
        }
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_accept_state(ssl)
        self.ssl = ssl
        self.incoming = incoming
        self.outgoing = outgoing
        self.acceptor = acceptor
    }

    deinit {
        SSL_free(ssl)
    }

    func handshake() -> Step {
        guard !hasFailed else { return .failed }
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        return result == 1 ? .done(0) : step(after: result)
    }

    func read(into room: UnsafeMutableRawBufferPointer) -> Step {
        guard !hasFailed else { return .failed }
        ERR_clear_error()
        let result = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
        return result > 0 ? .done(Int(result)) : step(after: result)
    }

    /// Encrypts all of `bytes` into memory.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard !hasFailed else { return false }
        ERR_clear_error()
        let result = SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
        if result == bytes.count { return true }
        hasFailed = true
        return false
    }

    /// Makes the close_notify alert.
    func shutDown() {
        guard !hasFailed else { return }
        ERR_clear_error()
        SSL_shutdown(ssl)
    }

    /// Makes a TLS 1.3 KeyUpdate.
    func updateKeys() -> Bool {
        ERR_clear_error()
        guard SSL_key_update(ssl, 0) == 1 else { return false }  // SSL_KEY_UPDATE_NOT_REQUESTED
        return SSL_do_handshake(ssl) == 1
    }

    /// Makes TLS 1.2's HelloRequest.
    func requestRenegotiation() -> Bool {
        ERR_clear_error()
        guard SSL_renegotiate(ssl) == 1 else { return false }
        return SSL_do_handshake(ssl) == 1
    }

    /// Makes a fatal alert in the only possible way: by a record that cannot be decrypted.
    func makeFatalAlert() {
        let record: [UInt8] = [0x17, 3, 3, 0, 32] + [UInt8](repeating: 7, count: 32)
        record.withUnsafeBytes { receivedRecords($0) }
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { _ = read(into: $0) }
    }

    func receivedRecords(_ bytes: UnsafeRawBufferPointer) {
        BIO_write(incoming, bytes.baseAddress, Int32(clamping: bytes.count))
    }

    /// Moves pending records to the socket's queue.
    func drainRecords(into queue: ByteQueue) {
        while true {
            let pending = BIO_ctrl_pending(outgoing)
            guard pending > 0 else { return }
            let room = queue.reserve(pending)
            let count = BIO_read(outgoing, room.baseAddress, Int32(clamping: pending))
            guard count > 0 else { return }
            queue.commit(Int(count))
        }
    }

    private func step(after result: Int32) -> Step {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wantsInput
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            hasFailed = true
            return .failed
        }
    }

    // MARK: What was agreed

    var version: String { String(cString: SSL_get_version(ssl)) }
    var isResumed: Bool { SSL_session_reused(ssl) == 1 }

    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        guard let name, length > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    var serverName: String? {
        SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    var cipher: String? {
        SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
    }

    /// The subject of the client's certificate, as in `/CN=client`.
    var clientSubject: String? {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        var line = [CChar](repeating: 0, count: 512)
        guard X509_NAME_oneline(X509_get_subject_name(certificate), &line, 512) != nil else {
            return nil
        }
        return line.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
    }
}
