import ApusCore
import CApusOpenSSL

// Who we are.
extension TLSContext {
    func configureIdentity(_ identity: TLSMaterial.Identity?) throws(TLSError) {
        switch identity {
        case nil: return
        case .pem(let certificate, let origin, let key, let keyOrigin):
            try present(pem: certificate, origin)
            try sign(with: key, keyOrigin)
        case .pkcs12(let bytes, let origin): try present(pkcs12: bytes, origin)
        }
    }

    /// The first certificate is ours, the others lead to its root.
    private func present(pem bytes: Bytes, _ origin: String) throws(TLSError) {
        var count = 0
        try readCertificates(bytes, origin) { certificate in
            count += 1
            return count == 1
                ? SSL_CTX_use_certificate(pointer, certificate) == 1
                : apus_ssl_ctx_add_chain_certificate(pointer, certificate) == 1
        }
        guard count > 0 else { throw TLSError(.configuration, "\(origin): no certificate") }
    }

    private func sign(with bytes: Bytes, _ origin: String) throws(TLSError) {
        try withReader(of: bytes, origin) { (reader) throws(TLSError) in
            guard let key = privateKey(from: reader) else { throw .refusedSetting(origin) }
            defer { EVP_PKEY_free(key) }
            guard SSL_CTX_use_PrivateKey(pointer, key) == 1,
                SSL_CTX_check_private_key(pointer) == 1
            else { throw .refusedSetting(origin) }
            ERR_clear_error()
        }
    }

    private func privateKey(from reader: OpaquePointer) -> OpaquePointer? {
        guard let password = settings.identity?.password else {
            return PEM_read_bio_PrivateKey(reader, nil, refuseAnyPassword, nil)
        }
        // Without a function, OpenSSL takes the last argument for the password itself.
        var text = Array(password.utf8) + [0]
        return PEM_read_bio_PrivateKey(reader, nil, nil, &text)
    }

    private func present(pkcs12 bytes: Bytes, _ origin: String) throws(TLSError) {
        try withReader(of: bytes, origin) { (reader) throws(TLSError) in
            guard let store = d2i_PKCS12_bio(reader, nil) else { throw .refusedSetting(origin) }
            defer { PKCS12_free(store) }
            var key: OpaquePointer?
            var certificate: OpaquePointer?
            var chain: OpaquePointer?
            let isRead = PKCS12_parse(
                store, settings.identity?.password ?? "", &key, &certificate, &chain)
            defer {
                EVP_PKEY_free(key)
                X509_free(certificate)
                apus_x509_free_all(chain)
            }
            guard isRead == 1 else { throw .refusedSetting(origin) }
            guard let key, let certificate else {
                throw TLSError(.configuration, "\(origin): no certificate with its key")
            }
            guard SSL_CTX_use_certificate(pointer, certificate) == 1,
                SSL_CTX_use_PrivateKey(pointer, key) == 1,
                SSL_CTX_check_private_key(pointer) == 1
            else { throw .refusedSetting(origin) }
            for index in 0..<max(0, apus_x509_count(chain)) {
                guard let link = apus_x509_at(chain, index),
                    apus_ssl_ctx_add_chain_certificate(pointer, link) == 1
                else { throw .refusedSetting(origin) }
            }
            ERR_clear_error()
        }
    }
}
