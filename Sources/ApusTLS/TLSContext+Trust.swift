import ApusCore
import CApusOpenSSL

// The roots that a context trusts.
extension TLSContext {
    func configureTrust(_ roots: TLSMaterial.Roots) throws(TLSError) {
        ContextCallbacks.judgeCertificates(on: pointer)
        switch roots {
        case .none:
            // Pins and the verifier still check the certificate.
            let isChecked = !settings.pins.isEmpty || settings.verifier != nil
            SSL_CTX_set_verify(pointer, isChecked ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
            return
        case .system: try trustSystem()
        case .certificates(let bytes, let origin): try trust(bytes, origin)
        }
        ContextCallbacks.requireValidCertificate(on: pointer)
        var flags: UInt = 0
        if settings.isStrict { flags |= UInt(X509_V_FLAG_X509_STRICT) }
        if settings.allowsPartialChain { flags |= UInt(X509_V_FLAG_PARTIAL_CHAIN) }
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(pointer), flags)
    }

    /// Trusts OpenSSL's built-in file and folder; its function for both would read the environment.
    ///
    /// One of the two is usually missing. But when one cannot be read because descriptors ran out,
    /// the call fails: the context would trust no server for as long as it is cached.
    private func trustSystem() throws(TLSError) {
        ERR_clear_error()
        if let store = SSL_CTX_get_cert_store(pointer), let file = X509_get_default_cert_file() {
            apus_store_add_file(store, file)
        }
        guard apus_exhausted() == 0 else { throw .refusedSetting("the system's roots") }
        if let folder = X509_get_default_cert_dir() { SSL_CTX_load_verify_dir(pointer, folder) }
        ERR_clear_error()
    }

    private func trust(_ bytes: Bytes, _ origin: String) throws(TLSError) {
        guard let store = SSL_CTX_get_cert_store(pointer) else { throw .refusedSetting(origin) }
        var count = 0
        try readCertificates(bytes, origin) { certificate in
            count += 1
            return X509_STORE_add_cert(store, certificate) == 1
        }
        guard count > 0 else {
            throw TLSError(.configuration, "\(origin): contains no certificate")
        }
    }
}

/// Reads every certificate of a PEM text, or of consecutive DER.
///
/// A partly read bundle would distrust some servers for no visible reason, so a bundle with any
/// broken part is refused.
/// - Parameter use: is called with each certificate, which is valid during the call; `false`
///   refuses it.
func readCertificates(
    _ bytes: Bytes, _ origin: String, _ use: (OpaquePointer) -> Bool
) throws(TLSError) {
    let isDER = bytes.first == 0x30
    try withReader(of: bytes, origin) { (reader) throws(TLSError) in
        while true {
            let next =
                isDER
                ? d2i_X509_bio(reader, nil) : PEM_read_bio_X509(reader, nil, refuseAnyPassword, nil)
            guard let certificate = next else { break }
            defer { X509_free(certificate) }
            guard use(certificate) else { throw .refusedSetting(origin) }
            if isDER, BIO_ctrl_pending(reader) == 0 { break }
        }
        // OpenSSL reports the end of a text as an error too: no further certificate.
        let isEnd = isDER ? ERR_peek_error() == 0 : apus_pem_is_end() == 1
        guard isEnd else { throw .refusedSetting(origin) }
        ERR_clear_error()
    }
}

/// Calls a closure with a reader over bytes; the reader points into them, so it must not outlive
/// the call.
func withReader(
    of bytes: Bytes, _ origin: String, _ body: (OpaquePointer) throws(TLSError) -> Void
) throws(TLSError) {
    ERR_clear_error()
    try bytes.withSpan { (span) throws(TLSError) in
        try span.withUnsafeBytes { (bytes) throws(TLSError) in
            guard let reader = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
            else { throw .refusedSetting(origin) }
            defer { BIO_free(reader) }
            try body(reader)
        }
    }
}

/// Fails for encrypted input, where OpenSSL's default would ask on the terminal.
func refuseAnyPassword(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    -1
}
