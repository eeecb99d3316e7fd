package import ApusCore
import CApusOpenSSL

/// The bytes of roots and identity that TLS settings refer to, read once.
///
/// Contexts are made from it, so that all contexts of an engine agree until it is reloaded.
package struct TLSMaterial: Sendable {
    /// The trusted roots.
    enum Roots: Sendable {
        /// No roots: nothing is verified.
        case none
        /// The system's store, from which OpenSSL loads single certificates.
        case system
        /// Certificates, and their origin for error messages.
        case certificates(Bytes, origin: String)
    }

    /// The client's identity, and its origin for error messages.
    enum Identity: Sendable {
        case pem(certificate: Bytes, origin: String, key: Bytes, keyOrigin: String)
        case pkcs12(Bytes, origin: String)
    }

    let roots: Roots
    let identity: Identity?
    /// A digest of what was read: equal for equal bytes, whatever file or source they came from.
    ///
    /// A digest reveals nothing of a key.
    package let digest: String

    /// The maximum size of a file or source, in bytes.
    package static let maxBytes = 16 * 1024 * 1024

    /// Reads files and sources; may block.
    ///
    /// - Parameter revision: a number that changes with each reload, since the bytes of the
    ///   system's store are unknown.
    /// - Throws: `TLSError` of kind `configuration` when a file or source cannot be read.
    package init(_ settings: EngineTuning.TLS, revision: Int = 0) throws(TLSError) {
        startOpenSSL()
        let roots = try Self.roots(settings)
        let identity = try Self.identity(settings)
        let digest = SHA256Digest()
        switch roots {
        case .none: digest.add("nothing")
        case .system: digest.add("system \(revision)")
        case .certificates(let bytes, _): digest.add("roots", bytes)
        }
        switch identity {
        case nil: break
        case .pem(let certificate, _, let key, _):
            digest.add("certificate", certificate)
            digest.add("key", key)
        case .pkcs12(let bytes, _): digest.add("pkcs12", bytes)
        }
        self.roots = roots
        self.identity = identity
        self.digest = digest.finalize()
    }

    private static func roots(_ settings: EngineTuning.TLS) throws(TLSError) -> Roots {
        guard !settings.insecureSkipVerify else { return .none }
        switch settings.roots {
        case .system: return .system
        case .file(let path):
            let origin = "roots file \(path)"
            return .certificates(try read(file: path, as: origin), origin: origin)
        case .pem(let text): return .certificates(Bytes(text), origin: "roots")
        case .bytes(let bytes): return .certificates(bytes, origin: "roots")
        case .source(let source):
            return .certificates(try read(source, as: "roots source"), origin: "roots source")
        }
    }

    private static func identity(_ settings: EngineTuning.TLS) throws(TLSError) -> Identity? {
        switch settings.identity?.form {
        case nil: return nil
        case .files(let certificate, let key):
            let origin = "certificate file \(certificate)"
            let keyOrigin = "key file \(key)"
            let chain = try read(file: certificate.text, as: origin)
            return .pem(
                certificate: chain, origin: origin,
                key: key == certificate ? chain : try read(file: key.text, as: keyOrigin),
                keyOrigin: keyOrigin)
        case .pem(let certificate, let key):
            return .pem(
                certificate: certificate, origin: "certificate", key: key, keyOrigin: "key")
        case .pkcs12File(let path):
            let origin = "PKCS#12 file \(path)"
            return .pkcs12(try read(file: path.text, as: origin), origin: origin)
        case .pkcs12(let bytes): return .pkcs12(bytes, origin: "PKCS#12")
        case .source(let source):
            let bytes = try read(source, as: "identity source")
            // DER begins with a SEQUENCE, which no PEM text does.
            return bytes.first == 0x30
                ? .pkcs12(bytes, origin: "identity source")
                : .pem(
                    certificate: bytes, origin: "identity source", key: bytes,
                    keyOrigin: "identity source")
        }
    }

    private static func read(_ source: TLSSource, as origin: String) throws(TLSError) -> Bytes {
        let bytes: Bytes
        do {
            bytes = try source.load()
        } catch {
            throw TLSError(.configuration, "\(origin): \(error)")
        }
        guard bytes.count <= maxBytes else { throw tooLarge(origin) }
        return bytes
    }

    private static func tooLarge(_ origin: String) -> TLSError {
        TLSError(.configuration, "\(origin): is larger than \(maxBytes) bytes")
    }

    /// Reads a whole file, through OpenSSL because this target makes no system calls.
    private static func read(file path: String, as origin: String) throws(TLSError) -> Bytes {
        // C would end the path at a zero byte and open another file.
        guard !path.utf8.contains(0) else {
            throw TLSError(.configuration, "a path contains a zero byte")
        }
        ERR_clear_error()
        // "e" means O_CLOEXEC in Glibc.
        guard let file = BIO_new_file(path, "rbe") else { throw .refusedSetting(origin) }
        defer { BIO_free(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = BIO_read(file, &piece, Int32(piece.count))
            guard count > 0 else { break }
            bytes.append(contentsOf: piece[..<Int(count)])
            guard bytes.count <= maxBytes else { throw tooLarge(origin) }
        }
        guard ERR_peek_error() == 0 else { throw .refusedSetting(origin) }
        return Bytes(bytes)
    }
}

extension SHA256Digest {
    /// Adds a part with its name and length, so that different lists of parts have different
    /// digests.
    fileprivate func add(_ name: String, _ bytes: Bytes = .empty) {
        let head = Array("\(name) \(bytes.count)\n".utf8)
        update(head.span.bytes)
        bytes.withSpan { update($0) }
    }
}
