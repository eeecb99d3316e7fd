// Files and keys of the fixtures, and expected failures.

import ApusCore
import ApusTLS
import CApusOpenSSL
import Glibc
import Loopback
import Testing

/// The bytes of a file.
func bytes(of path: String) -> Bytes {
    var bytes: [UInt8] = []
    guard let file = fopen(path, "r") else { return .empty }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        guard count > 0 else { return Bytes(bytes) }
        bytes += buffer[..<count]
    }
}

/// The first certificate of a PEM file in DER.
func der(of path: String) throws -> Bytes {
    let file = try require(BIO_new_file(path, "r"))
    defer { BIO_free(file) }
    let certificate = try require(PEM_read_bio_X509(file, nil, nil, nil))
    defer { X509_free(certificate) }
    var start: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(certificate, &start)
    guard let start, count > 0 else { throw ServerFailure() }
    defer { CRYPTO_free(start, nil, 0) }
    return Bytes(Array(UnsafeBufferPointer(start: start, count: Int(count))))
}

/// A small file as text; empty when it cannot be read.
func contents(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&buffer, 1, buffer.count, file)
    return String(decoding: buffer[..<count], as: UTF8.self)
}

/// The key of one certificate of the fixtures.
func pin(_ name: String) throws -> PublicKeyPin {
    try FixturePaths.ensureCertificates()
    let file = try require(BIO_new_file(FixturePaths.pem(name), "r"))
    defer { BIO_free(file) }
    let certificate = try require(PEM_read_bio_X509(file, nil, nil, nil))
    defer { X509_free(certificate) }
    var digest = [UInt8](repeating: 0, count: 32)
    // Over the key as OpenSSL writes it by another way than the engine's.
    let key = try require(X509_get_pubkey(certificate))
    defer { EVP_PKEY_free(key) }
    var start: UnsafeMutablePointer<UInt8>?
    let count = i2d_PUBKEY(key, &start)
    try check(EVP_Digest(start, Int(count), &digest, nil, EVP_sha256(), nil))
    CRYPTO_free(start, nil, 0)
    return try #require(PublicKeyPin(digest: digest))
}

/// Expects a `TLSError` of this kind.
func expectFailure(
    _ kind: TLSError.Kind, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: TLSError.self, sourceLocation: sourceLocation) { try body() }
    #expect(error?.kind == kind, "\(error?.message ?? "")", sourceLocation: sourceLocation)
    #expect(error?.message.isEmpty == false, sourceLocation: sourceLocation)
}
