/// A look at the bytes of field blocks that nghttp2 could not decode: it says that HPACK was broken
/// and not by what.
enum FieldBlock {
    /// The longest name or value, as it is encoded, that nghttp2 decodes.
    static let maxLiteral = 65_536

    /// The words for a fault that the bytes at hand do not explain.
    static let unknownFault =
        "a field section breaks HPACK (RFC 7541), or has a name or value above \(maxLiteral) bytes"

    /// What ended the connection, by the blocks among which the one at fault is.
    ///
    /// Without any the block at fault began earlier.
    static func fault(in blocks: [UnsafeRawBufferPointer]) -> HTTP2Error {
        for block in blocks {
            guard let length = longLiteral(in: block) else { continue }
            return HTTP2Error(
                .tooLarge,
                "a field's name or value is \(length) bytes, and at most \(maxLiteral) are decoded")
        }
        return HTTP2Error(
            .protocolViolation(code: HTTP2ErrorCode.compressionError),
            blocks.isEmpty ? unknownFault : "a field section breaks HPACK (RFC 7541)")
    }

    /// The length of the first literal beyond the bound, by the representations of RFC 7541,
    /// section 6; `nil` when there is none in what is there of the block.
    private static func longLiteral(in block: UnsafeRawBufferPointer) -> Int? {
        var index = 0
        while index < block.count {
            let first = block[index]
            // An index alone, or a new size of the table.
            let isIndexed = first & 0x80 != 0
            if isIndexed || first & 0xE0 == 0x20 {
                guard integer(isIndexed ? 7 : 5, in: block, at: &index) != nil else { return nil }
                continue
            }
            guard let name = integer(first & 0x40 != 0 ? 6 : 4, in: block, at: &index) else {
                return nil
            }
            for _ in 0..<(name == 0 ? 2 : 1) {
                guard let length = integer(7, in: block, at: &index) else { return nil }
                if length > maxLiteral { return length }
                index += length
            }
        }
        return nil
    }

    /// An integer with a prefix of so many bits (RFC 7541, section 5.1).
    ///
    /// - Returns: `nil` when it is cut off or far too large.
    private static func integer(
        _ prefix: Int, in block: UnsafeRawBufferPointer, at index: inout Int
    ) -> Int? {
        guard index < block.count else { return nil }
        let mask = (1 << prefix) - 1
        var value = Int(block[index]) & mask
        index += 1
        guard value == mask else { return value }
        var shift = 0
        while index < block.count, shift <= 28 {
            let byte = block[index]
            index += 1
            value += Int(byte & 0x7F) << shift
            shift += 7
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}
