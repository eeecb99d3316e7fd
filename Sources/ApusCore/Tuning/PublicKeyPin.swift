/// The SHA-256 digest of a certificate's public key (its SubjectPublicKeyInfo, RFC 7469, section
/// 2.4).
public struct PublicKeyPin: Sendable, Hashable {
    /// The digest's 32 bytes.
    let digest: [UInt8]

    /// Creates a pin from a digest; `nil` unless it has 32 bytes.
    package init?(digest: [UInt8]) {
        guard digest.count == 32 else { return nil }
        self.digest = digest
    }

    /// Parses `sha256/BASE64`, as curl and OkHttp write it, or 64 hexadecimal digits.
    ///
    /// - Throws: `InvalidTuning` when it is neither.
    public init(parsing text: String) throws(InvalidTuning) {
        // A digest may begin with a slash, so one slash is tried before two.
        let bytes =
            ["sha256/", "sha256//"].lazy.compactMap { prefix in
                text.hasPrefix(prefix)
                    ? PublicKeyPin.decodeBase64(text.dropFirst(prefix.count)) : nil
            }.first ?? PublicKeyPin.decodeHexadecimal(text)
        guard let bytes, let pin = PublicKeyPin(digest: bytes) else {
            throw InvalidTuning(
                field: "tls.pins", reason: "is neither sha256/BASE64 nor 64 hexadecimal digits")
        }
        self = pin
    }

    private static func decodeHexadecimal(_ text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap(\.hexDigitValue)
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        return stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// 32 bytes are 43 digits and one `=`, which may be left out.
    private static func decodeBase64(_ text: Substring) -> [UInt8]? {
        let digits = text.hasSuffix("=") ? text.dropLast() : text
        guard digits.utf8.count == 43 else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for digit in digits.utf8 {
            guard let value = Base64.alphabet.firstIndex(of: digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        // The unused bits of the last digit must be zero.
        return bits & 0b11 == 0 ? bytes : nil
    }
}

extension PublicKeyPin: CustomStringConvertible {
    /// `sha256/BASE64`.
    public var description: String { "sha256/" + Base64.encode(digest) }
}
