package import Apus

/// What a frame carries (RFC 6455, section 5.2).
package enum FrameOpcode: UInt8, Sendable, Hashable, CaseIterable {
    /// A further part of a message.
    case continuation = 0
    /// A text message, or its first part.
    case text = 1
    /// A binary message, or its first part.
    case binary = 2
    /// The closing handshake.
    case close = 8
    /// A ping.
    case ping = 9
    /// The answer to a ping.
    case pong = 10

    /// Whether the frame may come between the parts of a message.
    package var isControl: Bool { rawValue >= 8 }
}

/// The head of a frame: two to fourteen bytes (RFC 6455, section 5.2).
package struct FrameHeader: Sendable, Hashable {
    /// The most bytes that a head has.
    package static let maxSize = 14
    /// The most bytes that the payload of a control frame has (RFC 6455, section 5.5).
    package static let maxControlPayload = 125

    /// Whether the frame ends its message (FIN).
    package var isFinal: Bool
    /// Whether the message is compressed (RSV1; RFC 7692, section 6).
    package var isCompressed: Bool
    /// What the frame carries.
    package var opcode: FrameOpcode
    /// The bytes of the payload.
    package var length: Int
    /// The masking key, its first byte in the lowest bits; `nil` when the payload is not masked.
    package var mask: UInt32?

    /// Creates a head.
    package init(
        _ opcode: FrameOpcode, length: Int, isFinal: Bool = true, isCompressed: Bool = false,
        mask: UInt32? = nil
    ) {
        self.opcode = opcode
        self.length = length
        self.isFinal = isFinal
        self.isCompressed = isCompressed
        self.mask = mask
    }

    /// The bytes of the head.
    package var size: Int {
        2 + (length < 126 ? 0 : length <= 0xFFFF ? 2 : 8) + (mask == nil ? 0 : 4)
    }

    /// How many bytes the head has that begins with these two.
    package static func size(_ first: UInt8, _ second: UInt8) -> Int {
        let length = second & 0x7F
        return 2 + (length < 126 ? 0 : length == 126 ? 2 : 8) + (second & 0x80 == 0 ? 0 : 4)
    }

    /// Reads a whole head.
    ///
    /// - Parameter bytes: at least `size(_:_:)` bytes, the head first.
    /// - Throws: `WebSocketFault` of code 1002: reserved bits or opcodes, a control frame that is
    ///   long or fragmented, or a length that is not in its shortest form.
    package init(parsing bytes: Bytes) throws(WebSocketFault) {
        let (first, second) = (bytes[0], bytes[1])
        guard first & 0x30 == 0 else { throw .protocolError("a reserved bit is set") }
        guard let opcode = FrameOpcode(rawValue: first & 0x0F) else {
            throw .protocolError("opcode \(first & 0x0F) is reserved")
        }
        self.opcode = opcode
        isFinal = first & 0x80 != 0
        isCompressed = first & 0x40 != 0
        let short = Int(second & 0x7F)
        if opcode.isControl {
            guard isFinal else { throw .protocolError("a control frame is fragmented") }
            guard !isCompressed else { throw .protocolError("a control frame is compressed") }
            guard short <= Self.maxControlPayload else {
                throw .protocolError("a control frame has more than 125 bytes")
            }
        }
        length = short < 126 ? short : try Self.length(in: bytes, size: short == 126 ? 2 : 8)
        guard second & 0x80 != 0 else {
            mask = nil
            return
        }
        let start = Self.size(first, second) - 4
        var key: UInt32 = 0
        for index in 0..<4 { key |= UInt32(bytes[start + index]) << UInt32(8 * index) }
        mask = key
    }

    /// The length in the `size` bytes after the first two.
    private static func length(in bytes: Bytes, size: Int) throws(WebSocketFault) -> Int {
        var length: UInt64 = 0
        for index in 2..<2 + size { length = length << 8 | UInt64(bytes[index]) }
        guard length >= (size == 2 ? 126 : 0x1_0000) else {
            throw .protocolError("a length is not in its shortest form")
        }
        guard length <= UInt64(Int64.max) else {
            throw .protocolError("the highest bit of a length is set")
        }
        return Int(length)
    }

    /// Calls a function with each byte of the head, in order.
    func forEachByte(_ body: (UInt8) -> Void) {
        body((isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue)
        let masked: UInt8 = mask == nil ? 0 : 0x80
        if length < 126 {
            body(masked | UInt8(length))
        } else {
            let isShort = length <= 0xFFFF
            body(masked | (isShort ? 126 : 127))
            var shift = isShort ? 8 : 56
            while shift >= 0 {
                body(UInt8(truncatingIfNeeded: length >> shift))
                shift -= 8
            }
        }
        guard let mask else { return }
        for shift: UInt32 in [0, 8, 16, 24] { body(UInt8(truncatingIfNeeded: mask >> shift)) }
    }
}
