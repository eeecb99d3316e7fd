package import ApusCore
import CApusOpenSSL

/// The TLS of one client connection, from bytes to bytes, without a socket.
///
/// It is used by one thread at a time. The caller sends the bytes in `output` after each call, also
/// after one that threw, since they include the alert. After a call has thrown, every later call
/// throws the same error.
package final class TLSEngine {
    /// The progress of the handshake.
    package enum HandshakeProgress {
        case needsBytes
        /// `peerToJudge` must be checked; after `verdictGiven`, another call continues.
        case needsVerdict
        case complete
    }

    /// Whether the peer may still send.
    package enum ReceiveResult {
        case open
        /// The peer sent close_notify: no more bytes will follow.
        case closed
    }

    // Invariant: owned here and freed in `deinit`, before `port` and its context are released.
    private let ssl: OpaquePointer
    private let port: CiphertextPort
    /// Input received after the handshake's last bytes; the next `receive` starts with it.
    @exclusivity(unchecked) private var kept: [UInt8] = []
    /// Plaintext that OpenSSL accepts only after a partly received handshake message is complete.
    @exclusivity(unchecked) private var waiting: [UInt8] = []
    @exclusivity(unchecked) private var failure: TLSError?
    @exclusivity(unchecked) private var isReceiveClosed = false
    @exclusivity(unchecked) private var isSendClosed = false
    /// The reason of a failure that is not, or no longer, in OpenSSL's queue.
    @exclusivity(unchecked) private var pendingReason: String?

    /// Creates the TLS of one connection.
    ///
    /// - Parameters:
    ///   - context: the shared settings.
    ///   - serverName: the name or address to verify unless the settings name another, without
    ///     brackets; a name is sent as SNI too. A trailing dot is removed for both.
    ///   - session: is resumed if it was made under the same settings for the same name.
    package init(
        _ context: TLSContext, serverName: String, session: TLSSession?
    ) throws(TLSError) {
        let name = try checkedServerName(serverName)
        let verified = try context.settings.verifiedName.map(checkedServerName) ?? name
        ERR_clear_error()
        guard let ssl = SSL_new(context.pointer) else {
            throw .refusedSetting("cannot make a TLS connection")
        }
        self.ssl = ssl
        port = CiphertextPort(context: context, serverName: name, verifiedName: verified)
        guard port.attach(to: ssl) else { throw .refusedSetting("cannot make a TLS connection") }
        SSL_set_connect_state(ssl)
        try expect(verified)
        if context.settings.sendsServerName, !isAddress(name) {
            guard apus_ssl_set_host_name(ssl, name) == 1 else {
                throw .refusedSetting("server name")
            }
        }
        if let session, context.settings.resumption,
            session.isUsable(context: context, serverName: name)
        {
            // A session that OpenSSL does not accept only costs a full handshake.
            SSL_set_session(ssl, session.pointer)
            port.offered = session
            ERR_clear_error()
        }
    }

    deinit {
        // OpenSSL would invalidate the session of a connection that ends without close_notify, as
        // most do. Only a failure is a reason for that.
        if failure == nil || failure?.kind == .unexpectedEnd {
            SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        }
        SSL_free(ssl)
    }

    /// Sets the name or address that the certificate must be for.
    private func expect(_ name: String) throws(TLSError) {
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(
            parameters,
            UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
                | UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        if isAddress(name) {
            // A zone has a meaning on this host only; no certificate contains one.
            let address = name.prefix { $0 != "%" }
            guard X509_VERIFY_PARAM_set1_ip_asc(parameters, String(address)) == 1 else {
                throw .refusedSetting("server address")
            }
            return
        }
        guard X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1 else {
            throw .refusedSetting("server name")
        }
    }

    // MARK: Handshake

    /// Continues the handshake; an empty span starts it.
    ///
    /// - Throws: `TLSError`; the alert for the peer is in `output` in this case too.
    package func handshake(
        _ ciphertext: RawSpan, output: inout [UInt8]
    ) throws(TLSError) -> HandshakeProgress {
        if let failure { throw failure }
        return try ciphertext.withUnsafeBytes { (bytes) throws(TLSError) -> HandshakeProgress in
            guard !port.isHandshakeDone else {
                kept.append(contentsOf: bytes)
                return .complete
            }
            if case .asked = port.verification {
                kept.append(contentsOf: bytes)
                return .needsVerdict
            }
            guard kept.isEmpty else {
                // Bytes received while the verdict was awaited come first.
                let all = kept + bytes
                kept = []
                return try handshake(all.span.bytes, output: &output)
            }
            ERR_clear_error()
            let step = port.lend(bytes, &output) { outcome(of: SSL_do_handshake(ssl)) }
            switch step.result {
            case .needsBytes: return .needsBytes
            case .needsVerdict:
                kept.append(contentsOf: step.unread)
                return .needsVerdict
            case .progress:
                kept.append(contentsOf: step.unread)
                try handshakeEnded()
                return .complete
            case .closed:
                pendingReason = "the peer closed the connection during the handshake"
                throw fail(.handshake)
            case .failed: throw fail(.handshake)
            }
        }
    }

    /// The peer that the verifier must check; `nil` unless the handshake waits for its verdict.
    package var peerToJudge: PeerVerifier.Peer? {
        guard case .asked(let peer) = port.verification, failure == nil else { return nil }
        return peer
    }

    /// The verifier gave its verdict; the next call of `handshake` continues or fails.
    package func verdictGiven(_ verdict: PeerVerifier.Verdict) {
        guard case .asked = port.verification else { return }
        port.verification = .given(verdict)
    }

    /// Refuses a protocol that was not offered (RFC 7301, section 3.1), which OpenSSL accepts.
    private func handshakeEnded() throws(TLSError) {
        // Whatever OpenSSL did: without the verifier's verdict no peer is trusted.
        if port.context.settings.verifier != nil, SSL_session_reused(ssl) == 0 {
            guard case .given(.accept) = port.verification else {
                pendingReason = "the verifier was not called"
                throw fail(.handshake)
            }
        }
        port.isHandshakeDone = true
        guard let chosen = TLSFacts.chosenProtocol(of: ssl), !port.context.alpn.contains(chosen)
        else { return }
        port.sessions = []
        let error = TLSError(.handshake, "the server chose an ALPN protocol that was not offered")
        failure = error
        throw error
    }

    // MARK: Bytes

    /// Decrypts bytes; plaintext before a failure is delivered first.
    ///
    /// - Parameters:
    ///   - ciphertext: received bytes; empty to read those that followed the handshake.
    ///   - output: receives answers of TLS itself, such as a KeyUpdate.
    ///   - plaintext: is called with decrypted bytes, in memory of their own that may be kept.
    package func receive(
        _ ciphertext: RawSpan, output: inout [UInt8], plaintext: (Bytes) -> Void
    ) throws(TLSError) -> ReceiveResult {
        if let failure { throw failure }
        guard port.isHandshakeDone else {
            throw TLSError(.handshake, "the handshake is not complete")
        }
        if !kept.isEmpty {
            let bytes = kept
            kept = []
            try decrypt(bytes.span.bytes, &output, plaintext)
        }
        try decrypt(ciphertext, &output, plaintext)
        return isReceiveClosed ? .closed : .open
    }

    /// Reads until OpenSSL has consumed all input.
    private func decrypt(
        _ ciphertext: RawSpan, _ output: inout [UInt8], _ plaintext: (Bytes) -> Void
    ) throws(TLSError) {
        // Bytes after close_notify are ignored (RFC 8446, section 6.1).
        guard !isReceiveClosed, !ciphertext.isEmpty else { return }
        // Room for the input and for the part of an earlier record, where OpenSSL holds one.
        let held = SSL_has_pending(ssl) == 0 ? 0 : Self.recordSize
        let room = min(ciphertext.byteCount + held, Self.maxScratch)
        let outcome = ciphertext.withUnsafeBytes { bytes in
            port.lend(bytes, &output) { drain(room: room, plaintext) }.result
        }
        switch outcome {
        case .progress, .needsBytes: try sendWaiting(&output)
        case .closed: isReceiveClosed = true
        case .failed, .needsVerdict: throw fail(.alert)
        }
    }

    /// Collects records in arrays of `room` bytes, and delivers each when it is full or nothing is
    /// left, since small records often come in numbers.
    private func drain(room: Int, _ plaintext: (Bytes) -> Void) -> Outcome {
        while true {
            var outcome = Outcome.progress
            let bytes = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                outcome = fill(UnsafeMutableRawBufferPointer(buffer), &count)
            }
            if !bytes.isEmpty {
                // The reason of a failure must survive what the receiver does.
                let reason = outcome == .failed ? takeOpenSSLReason() : nil
                plaintext(Bytes(bytes))
                if let reason { pendingReason = reason }
            }
            // The receiver may have sent, and that may have failed.
            if failure != nil { return .failed }
            if outcome != .progress { return outcome }
        }
    }

    /// Decrypts records into a buffer; `.progress` when it is full.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, _ count: inout Int) -> Outcome {
        while count < buffer.count {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            var taken = 0
            clearErrors()
            let result = SSL_read_ex(ssl, room.baseAddress, room.count, &taken)
            count += taken
            // Without input and without a record begun, another call could only ask for bytes.
            let isDry = result == 1 && !port.hasInput && SSL_has_pending(ssl) == 0
            let outcome = isDry ? .needsBytes : outcome(of: result)
            if outcome != .progress { return outcome }
        }
        return .progress
    }

    /// Encrypts all of `plaintext`, in records of at most 16 KiB.
    package func send(_ plaintext: RawSpan, output: inout [UInt8]) throws(TLSError) {
        if let failure { throw failure }
        guard port.isHandshakeDone, !isSendClosed else {
            throw TLSError(.alert, "data cannot be sent before the handshake or after the end")
        }
        guard !plaintext.isEmpty else { return }
        guard waiting.isEmpty else { return try wait(plaintext) }
        let sent = try write(plaintext, &output)
        if sent < plaintext.byteCount { try wait(plaintext.extracting(sent..<plaintext.byteCount)) }
    }

    /// Holds plaintext back while a handshake message of the peer is incomplete.
    ///
    /// The limit is checked first, so that one large piece is never refused for its size.
    private func wait(_ plaintext: RawSpan) throws(TLSError) {
        guard waiting.count < Self.maxWaiting else {
            let error = TLSError(.abuse, "the peer left a handshake message unfinished")
            failure = error
            throw error
        }
        plaintext.withUnsafeBytes { waiting.append(contentsOf: $0) }
    }

    /// Sends held plaintext, as far as OpenSSL accepts it now.
    private func sendWaiting(_ output: inout [UInt8]) throws(TLSError) {
        guard !waiting.isEmpty else { return }
        let bytes = waiting
        let sent = try write(bytes.span.bytes, &output)
        waiting = sent == bytes.count ? [] : Array(bytes[sent...])
    }

    /// Encrypts into `output`.
    ///
    /// - Returns: how many bytes OpenSSL accepted: all, unless it must read first.
    private func write(_ plaintext: RawSpan, _ output: inout [UInt8]) throws(TLSError) -> Int {
        var sent = 0
        let outcome = plaintext.withUnsafeBytes { bytes in
            port.lend(UnsafeRawBufferPointer(start: nil, count: 0), &output) {
                write(bytes, &sent)
            }.result
        }
        guard outcome == .progress || outcome == .needsBytes else { throw fail(.alert) }
        return sent
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ sent: inout Int) -> Outcome {
        while sent < bytes.count {
            var count = 0
            clearErrors()
            let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
            let result = SSL_write_ex(ssl, rest.baseAddress, rest.count, &count)
            guard result == 1 else { return outcome(of: result) }
            sent += count
        }
        return .progress
    }

    // MARK: End

    /// Sends close_notify once; never after a failure or before the end of the handshake.
    package func close(output: inout [UInt8]) {
        guard failure == nil, port.isHandshakeDone, !isSendClosed else { return }
        isSendClosed = true
        ERR_clear_error()
        _ = port.lend(UnsafeRawBufferPointer(start: nil, count: 0), &output) { SSL_shutdown(ssl) }
        ERR_clear_error()
    }

    /// The TCP stream has ended.
    ///
    /// - Throws: `TLSError` of kind `unexpectedEnd` unless the peer sent close_notify before.
    package func streamEnded() throws(TLSError) {
        if let failure { throw failure }
        guard !isReceiveClosed else { return }
        let error = TLSError(.unexpectedEnd, "the stream ended without close_notify")
        failure = error
        throw error
    }

    /// What the handshake agreed on; `nil` before it is complete.
    package var facts: TLSFacts? {
        port.isHandshakeDone ? TLSFacts(of: ssl, chain: port.chain) : nil
    }

    /// Removes and returns the oldest received session; only sessions of verified peers are kept.
    package func nextSession() -> TLSSession? {
        guard port.isHandshakeDone, !port.sessions.isEmpty else { return nil }
        return port.sessions.removeFirst()
    }

    // MARK: Outcomes

    /// The outcome of one call of OpenSSL.
    private enum Outcome {
        case progress
        /// All input was consumed.
        case needsBytes
        /// The verifier must check the certificate.
        case needsVerdict
        /// close_notify was received.
        case closed
        /// No further call may follow.
        case failed
    }

    /// The largest record that OpenSSL can hold.
    private static let recordSize = 16 * 1024
    private static let maxScratch = 32 * 1024
    /// Plaintext that may wait for the end of a peer's handshake message, in bytes.
    private static let maxWaiting = 1024 * 1024

    /// Makes sure that the thread's queue of errors, which decides what a result means, is empty.
    ///
    /// It nearly always is, and looking costs less than emptying.
    private func clearErrors() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    private func outcome(of result: Int32) -> Outcome {
        if result > 0 { return .progress }
        return switch SSL_get_error(ssl, result) {
        // Writing to memory never waits for room.
        case SSL_ERROR_WANT_READ: .needsBytes
        case SSL_ERROR_WANT_RETRY_VERIFY: .needsVerdict
        case SSL_ERROR_ZERO_RETURN: .closed
        default: .failed
        }
    }

    /// Makes the error of a failed call, after which OpenSSL accepts no further call.
    private func fail(_ kind: TLSError.Kind) -> TLSError {
        if let failure { return failure }
        let reason = pendingReason ?? takeOpenSSLReason() ?? "TLS failed"
        let error: TLSError
        if port.isFlooded {
            error = TLSError(.abuse, "too many handshake messages after the handshake")
        } else if port.exhaustion != 0, !port.isHandshakeDone {
            error = TLSError(
                .resource(errno: port.exhaustion), "the system's roots cannot be read: \(reason)")
        } else if let refusal = port.refusal, !port.isHandshakeDone {
            error = TLSError(refusal, reason: port.refusalReason)
        } else {
            error = TLSError(kind, reason)
        }
        failure = error
        return error
    }
}

/// The name to verify, without a trailing dot (RFC 6066, section 3).
///
/// OpenSSL reads an empty name as "any", and a leading dot as "any name below".
private func checkedServerName(_ serverName: String) throws(TLSError) -> String {
    let name = serverName.hasSuffix(".") ? String(serverName.dropLast()) : serverName
    let isPlain = name.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    guard isPlain, !name.isEmpty, name.utf8.count <= 255, !name.hasPrefix(".") else {
        throw TLSError(.configuration, "the server name is not usable")
    }
    return name
}

/// Whether the name is an address literal, by the strict rule of sockets.
///
/// OpenSSL reads "010.0.0.1" as 10.0.0.1, but the resolver reads it as 8.0.0.1.
private func isAddress(_ name: String) -> Bool {
    guard !name.utf8.contains(UInt8(ascii: ":")) else { return true }
    let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count == 4
        && parts.allSatisfy { part in
            (1...3).contains(part.count) && part.allSatisfy { (0x30...0x39).contains($0) }
                && (part.count == 1 || part.first != 0x30)
        }
}
