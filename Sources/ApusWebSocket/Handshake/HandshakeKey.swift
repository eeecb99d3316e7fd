import Apus

/// The key of a handshake, and the proof that the peer read it (RFC 6455, section 4.2.2).
package struct HandshakeKey: Sendable, Hashable {
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The value of `Sec-WebSocket-Key`.
    package let text: String

    /// Creates a key of 16 random bytes.
    package init(using generator: inout some RandomNumberGenerator) {
        let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        text = Base64.encode(bytes)
    }

    /// Creates a key from its text.
    package init(text: String) {
        self.text = text
    }

    /// The value of `Sec-WebSocket-Accept` that answers the key.
    package var accept: String {
        Base64.encode(SHA1.digest(Array((text + Self.suffix).utf8)))
    }
}
