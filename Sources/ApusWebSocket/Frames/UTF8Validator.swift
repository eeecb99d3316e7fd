/// Checks UTF-8 that arrives in pieces, and fails at the first byte that cannot be valid.
///
/// Its rules are those of the Unicode standard, table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
package struct UTF8Validator: Sendable, Hashable {
    /// How many bytes the current character still needs.
    private var needed = 0
    /// The least and the greatest next byte, if one is needed.
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    package init() {}

    /// Whether no character is incomplete.
    package var isComplete: Bool { needed == 0 }

    /// Takes the next bytes; `false` when they are not valid, after which nothing more is asked.
    package mutating func takes(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.withContiguousStorageIfAvailable { takes(UnsafeRawBufferPointer($0)) }
            ?? Array(bytes).withUnsafeBytes { takes($0) }
    }

    /// As above; eight bytes of ASCII are one step.
    mutating func takes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if needed == 0 {
                while index <= bytes.count - 8,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                        & 0x8080_8080_8080_8080 == 0
                {
                    index += 8
                }
                guard index < bytes.count else { return true }
            }
            guard takes(bytes[index]) else { return false }
            index += 1
        }
        return true
    }

    @inline(__always)
    private mutating func takes(_ byte: UInt8) -> Bool {
        if needed > 0 {
            guard byte >= lower, byte <= upper else { return false }
            lower = 0x80
            upper = 0xBF
            needed -= 1
            return true
        }
        switch byte {
        case 0...0x7F: break
        case 0xC2...0xDF: needed = 1
        case 0xE0...0xEF:
            needed = 2
            if byte == 0xE0 { lower = 0xA0 }
            if byte == 0xED { upper = 0x9F }
        case 0xF0...0xF4:
            needed = 3
            if byte == 0xF0 { lower = 0x90 }
            if byte == 0xF4 { upper = 0x8F }
        default: return false
        }
        return true
    }
}
