package import Apus

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Finds the ends of lines in one piece, and searches no byte twice for the same end.
///
/// Each kind of end is searched by memchr, and the position found is kept until the reader has
/// passed it. So a piece without CR costs one search for CR, and a piece of lines that end in CR
/// does not search for LF again at each line.
package struct LineEndSearch: Sendable {
    /// The position of the next LF at or after the reader; the piece's length for none.
    private var lineFeed = -1
    /// The position of the next CR at or after the reader; the piece's length for none.
    private var carriageReturn = -1

    /// Creates a search of one piece.
    package init() {}

    /// Pieces from this length on are first searched for bytes that can end no line.
    ///
    /// A long line is then searched once and not twice. A shorter piece costs more by the further
    /// call than it saves.
    package static let minLongPiece = 1024

    /// The position of the first LF at or after `position`; the piece's length for none.
    package mutating func nextLineFeed(in piece: Bytes, from position: Int) -> Int {
        if lineFeed < position { lineFeed = Self.first(ASCII.lineFeed, in: piece, from: position) }
        return lineFeed
    }

    /// The position of the first LF or CR at or after `position`; the piece's length for none.
    package mutating func nextEnd(in piece: Bytes, from position: Int) -> Int {
        var start = position
        if lineFeed < 0, carriageReturn < 0, piece.count - position >= Self.minLongPiece {
            start += Self.countWithoutEnd(in: piece, from: position)
        }
        if lineFeed < start { lineFeed = Self.first(ASCII.lineFeed, in: piece, from: start) }
        if carriageReturn < start {
            carriageReturn = Self.first(ASCII.carriageReturn, in: piece, from: start)
        }
        return min(lineFeed, carriageReturn)
    }

    private static func first(_ byte: UInt8, in piece: Bytes, from position: Int) -> Int {
        guard position < piece.count else { return piece.count }
        return piece.withSpan { span in
            span.withUnsafeBytes { bytes in
                // The pointer is used within the closure, and the length ends at the buffer's end.
                guard let base = bytes.baseAddress,
                    let found = memchr(base + position, Int32(byte), bytes.count - position)
                else { return bytes.count }
                return UnsafeRawPointer(found) - base
            }
        }
    }

    /// A number of bytes from `position` on among which there is no LF and no CR.
    ///
    /// The count is a multiple of the block's length. A block with any byte up to CR ends it: apart
    /// from the ends of lines those are control bytes, which are rare in text.
    private static func countWithoutEnd(in piece: Bytes, from position: Int) -> Int {
        piece.withSpan { span in
            span.withUnsafeBytes { bytes in
                var offset = position
                while offset + 128 <= bytes.count {
                    let least = least(
                        least64(bytes, at: offset), least64(bytes, at: offset &+ 64))
                    let ends = least .< SIMD16(repeating: ASCII.carriageReturn &+ 1)
                    let words = unsafeBitCast(ends, to: SIMD2<UInt64>.self)
                    if words[0] | words[1] != 0 { break }
                    offset &+= 128
                }
                return offset - position
            }
        }
    }

    /// The least byte of each of 16 lanes, over 64 bytes.
    @inline(__always)
    private static func least64(
        _ bytes: UnsafeRawBufferPointer, at offset: Int
    ) -> SIMD16<UInt8> {
        least(
            least(load(bytes, offset), load(bytes, offset &+ 16)),
            least(load(bytes, offset &+ 32), load(bytes, offset &+ 48)))
    }

    /// Sixteen bytes; the caller has checked that they are within the buffer.
    @inline(__always)
    private static func load(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> SIMD16<UInt8> {
        bytes.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
    }

    @inline(__always)
    private static func least(_ left: SIMD16<UInt8>, _ right: SIMD16<UInt8>) -> SIMD16<UInt8> {
        left.replacing(with: right, where: right .< left)
    }
}
