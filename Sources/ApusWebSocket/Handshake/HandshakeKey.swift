/// The key of a handshake, and the proof that the peer read it (RFC 6455, section 4.2.2).
package struct HandshakeKey: Sendable, Hashable {
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The value of `Sec-WebSocket-Key`.
    package let text: String

    /// Creates a key of 16 random bytes.
    package init(using generator: inout some RandomNumberGenerator) {
        let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        text = Self.base64(bytes)
    }

    /// Creates a key from its text.
    package init(text: String) {
        self.text = text
    }

    /// The value of `Sec-WebSocket-Accept` that answers the key.
    package var accept: String {
        Self.base64(SHA1.digest(Array((text + Self.suffix).utf8)))
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Base64 with padding (RFC 4648, section 4).
    static func base64(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for byte in group { word = word << 8 | UInt32(byte) }
            word <<= UInt32(3 - group.count) * 8
            for index in 0..<4 {
                let isPadding = index > group.count
                result.append(
                    isPadding
                        ? UInt8(ascii: "=") : alphabet[Int(word >> UInt32(18 - 6 * index)) & 0x3F])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
