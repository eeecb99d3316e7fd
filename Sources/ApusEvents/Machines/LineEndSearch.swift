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
        guard lineFeed < position || carriageReturn < position else {
            return min(lineFeed, carriageReturn)
        }
        return piece.withSpan { span in
            span.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress, position < bytes.count else {
                    return bytes.count
                }
                // A blank line needs no search.
                let first = base.load(fromByteOffset: position, as: UInt8.self)
                if first == ASCII.lineFeed || first == ASCII.carriageReturn { return position }
                return search(base, position, bytes.count)
            }
        }
    }

    /// Searches the kinds of ends that the reader has passed.
    ///
    /// `base` is the first of `count` bytes, and `position` is below `count`.
    private mutating func search(
        _ base: UnsafeRawPointer, _ position: Int, _ count: Int
    ) -> Int {
        var start = position
        if lineFeed < 0, carriageReturn < 0, count - position >= Self.minLongPiece {
            start += Self.countWithoutEnd(base + position, count - position)
        }
        if lineFeed < start { lineFeed = Self.first(ASCII.lineFeed, base, start, count) }
        if carriageReturn < start {
            carriageReturn = Self.first(ASCII.carriageReturn, base, start, count)
        }
        return min(lineFeed, carriageReturn)
    }

    private static func first(_ byte: UInt8, in piece: Bytes, from position: Int) -> Int {
        piece.withSpan { span in
            span.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return bytes.count }
                return first(byte, base, position, bytes.count)
            }
        }
    }

    /// The position of a byte among the `count` bytes at `base`; `count` for none.
    @inline(__always)
    private static func first(
        _ byte: UInt8, _ base: UnsafeRawPointer, _ position: Int, _ count: Int
    ) -> Int {
        guard position < count,
            let found = memchr(base + position, Int32(byte), count - position)
        else { return count }
        return UnsafeRawPointer(found) - base
    }

    /// A number of bytes from `base` on among which there is no LF and no CR.
    ///
    /// The count is a multiple of the block's length. A block with any byte up to CR ends it: apart
    /// from the ends of lines those are control bytes, which are rare in text.
    private static func countWithoutEnd(_ base: UnsafeRawPointer, _ count: Int) -> Int {
        let bound = SIMD16<UInt8>(repeating: ASCII.carriageReturn &+ 1)
        var offset = 0
        // Each load is within the `count` bytes.
        while offset &+ 128 <= count {
            let least = least(least64(base + offset), least64(base + (offset &+ 64)))
            // Zero in each lane whose byte is not below the bound.
            let ends = unsafeBitCast(Self.least(least, bound) ^ bound, to: SIMD2<UInt64>.self)
            if ends[0] | ends[1] != 0 { break }
            offset &+= 128
        }
        return offset
    }

    /// The least byte of each of 16 lanes, over 64 bytes.
    @inline(__always)
    private static func least64(_ base: UnsafeRawPointer) -> SIMD16<UInt8> {
        least(
            least(lanes(base, 0), lanes(base, 16)), least(lanes(base, 32), lanes(base, 48)))
    }

    @inline(__always)
    private static func lanes(_ base: UnsafeRawPointer, _ offset: Int) -> SIMD16<UInt8> {
        base.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
    }

    @inline(__always)
    private static func least(_ left: SIMD16<UInt8>, _ right: SIMD16<UInt8>) -> SIMD16<UInt8> {
        left.replacing(with: right, where: right .< left)
    }
}
