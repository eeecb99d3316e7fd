import ApusCore
import CApusOpenSSL

// The client's identity.
extension TLSContext {
    /// The maximum cost of deriving the keys of an identity, in rounds of a hash.
    ///
    /// One thread makes all contexts, and a number in a file must not block it. Common programs
    /// write stores of up to three times 600,000 rounds.
    static let maxKeyRounds = 2_000_000

    func configureIdentity(_ identity: TLSMaterial.Identity?) throws(TLSError) {
        // C would end the password at a zero byte.
        guard settings.identity?.password?.utf8.contains(0) != true else {
            throw TLSError(.configuration, "the identity's password contains a zero byte")
        }
        switch identity {
        case nil: return
        case .pem(let certificate, let origin, let key, let keyOrigin):
            try present(pem: certificate, origin)
            try sign(with: key, keyOrigin)
        case .pkcs12(let bytes, let origin): try present(pkcs12: bytes, origin)
        }
    }

    /// The first certificate is ours, the others are its intermediates.
    private func present(pem bytes: Bytes, _ origin: String) throws(TLSError) {
        var count = 0
        try readCertificates(bytes, origin) { certificate in
            count += 1
            return count == 1
                ? SSL_CTX_use_certificate(pointer, certificate) == 1
                : apus_ssl_ctx_add_chain_certificate(pointer, certificate) == 1
        }
        guard count > 0 else {
            throw TLSError(.configuration, "\(origin): contains no certificate")
        }
    }

    private func sign(with bytes: Bytes, _ origin: String) throws(TLSError) {
        try withReader(of: bytes, origin) { (reader) throws(TLSError) in
            if settings.identity?.password != nil {
                try checkCost(apus_pem_key_rounds(reader), origin)
            }
            guard let key = privateKey(from: reader) else { throw .refusedSetting(origin) }
            defer { EVP_PKEY_free(key) }
            guard SSL_CTX_use_PrivateKey(pointer, key) == 1,
                SSL_CTX_check_private_key(pointer) == 1
            else { throw .refusedSetting(origin) }
            ERR_clear_error()
        }
    }

    /// Refuses a key derivation that would take too long.
    private func checkCost(_ rounds: Int, _ origin: String) throws(TLSError) {
        guard rounds != APUS_ROUNDS_UNKNOWN, rounds <= Self.maxKeyRounds else {
            ERR_clear_error()
            let number = rounds < 0 ? "an unknown number of" : "\(rounds)"
            throw TLSError(
                .configuration,
                "\(origin): needs \(number) rounds of key derivation, more than"
                    + " \(Self.maxKeyRounds)")
        }
    }

    private func privateKey(from reader: OpaquePointer) -> OpaquePointer? {
        guard let password = settings.identity?.password else {
            return PEM_read_bio_PrivateKey(reader, nil, refuseAnyPassword, nil)
        }
        // Without a function, OpenSSL uses the last argument as the password.
        var text = Array(password.utf8) + [0]
        return PEM_read_bio_PrivateKey(reader, nil, nil, &text)
    }

    private func present(pkcs12 bytes: Bytes, _ origin: String) throws(TLSError) {
        try withReader(of: bytes, origin) { (reader) throws(TLSError) in
            guard let store = d2i_PKCS12_bio(reader, nil) else { throw .refusedSetting(origin) }
            defer { PKCS12_free(store) }
            let password = settings.identity?.password ?? ""
            try checkCost(apus_pkcs12_rounds(store, password, Self.maxKeyRounds), origin)
            ERR_clear_error()
            var key: OpaquePointer?
            var certificate: OpaquePointer?
            var chain: OpaquePointer?
            let isRead = PKCS12_parse(store, password, &key, &certificate, &chain)
            defer {
                EVP_PKEY_free(key)
                X509_free(certificate)
                apus_x509_free_all(chain)
            }
            guard isRead == 1 else { throw .refusedSetting(origin) }
            guard let key, let certificate else {
                throw TLSError(.configuration, "\(origin): contains no certificate with its key")
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
