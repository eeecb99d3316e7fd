import ApusCore
import CApusOpenSSL

// Whom a context trusts.
extension TLSContext {
    func configureTrust(_ roots: TLSMaterial.Roots) throws(TLSError) {
        ContextCallbacks.judgeCertificates(on: pointer)
        switch roots {
        case .none:
            // Pins and the verifier look at the certificate all the same.
            let isLooked = !settings.pins.isEmpty || settings.verifier != nil
            SSL_CTX_set_verify(pointer, isLooked ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
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

    /// OpenSSL's built-in places; its function for both of them would read the environment.
    ///
    /// One of the two places is usually missing, but what cannot be read because descriptors have
    /// run out is not: a context without it would trust nobody for as long as it is kept.
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
        guard count > 0 else { throw TLSError(.configuration, "\(origin): no certificate") }
    }
}

/// Reads every certificate of a PEM text, or of DER one behind another.
///
/// A half-read bundle would distrust some servers and nobody would know why, so one that is broken
/// anywhere is refused whole.
/// - Parameter use: gets each certificate for the length of its call; `false` refuses it.
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
        // The end of a text is told as an error too, by the absence of another certificate.
        let isEnd = isDER ? ERR_peek_error() == 0 : apus_pem_is_end() == 1
        guard isEnd else { throw .refusedSetting(origin) }
        ERR_clear_error()
    }
}

/// Gives a reader over bytes; it keeps a pointer to them, so it must not outlive the call.
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

/// Something encrypted fails, where OpenSSL's default would ask on the terminal.
func refuseAnyPassword(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    -1
}
