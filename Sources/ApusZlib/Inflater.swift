package import ApusCore
import CApusZlib

/// Decompresses one gzip, zlib or raw stream, step by step.
///
/// It holds about 7 KiB and a window of `1 << windowBits` bytes. One thread at a time uses it.
///
/// ```
/// var rest = input
/// repeat {
///     let step = try inflater.inflate(rest)
///     use(step.output)
///     rest = rest.dropFirst(step.consumed)
///     next = step.next
/// } while next == .again
/// ```
package final class Inflater {
    /// The most that a step yields unless its caller says otherwise.
    package static let defaultLimit = 64 * 1024
    /// The room of a step for each byte of its input; where it is filled, the next has twice as
    /// much.
    private static let expectedRatio = 4

    private let stream = ZlibStream()

    /// Creates a stream.
    ///
    /// - Parameters:
    ///   - format: what surrounds the blocks.
    ///   - windowBits: the largest window that the stream may use, 8 to 15; a zlib stream that
    ///     names a larger one is malformed.
    /// - Throws: `ZlibError.outOfMemory`, `.unsupportedSettings`.
    package init(_ format: ZlibFormat, windowBits: Int = 15) throws(ZlibError) {
        precondition((8...15).contains(windowBits), "a window of \(windowBits) bits")
        let code = inflateInit2_(
            stream.pointer, format.code(windowBits: windowBits), ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        try stream.check(code)
    }

    deinit {
        inflateEnd(stream.pointer)
    }

    /// Decompresses as much of the input as the limit allows.
    ///
    /// What the input yields is never held back while there is room for it.
    /// - Parameters:
    ///   - input: the next bytes of the stream; after `ZlibStep.Next.again` what was not taken.
    ///   - limit: the most bytes that the step yields, at least 1.
    /// - Throws: `ZlibError.malformed`, also in every later step until `reset()`; `.outOfMemory`.
    package func inflate(
        _ input: Bytes, limit: Int = Inflater.defaultLimit
    ) throws(ZlibError) -> ZlibStep {
        precondition(limit > 0, "a step without room")
        let expected = max(
            min(input.count, limit) * Self.expectedRatio, ZlibStream.minCapacity * 4)
        let (step, code) = stream.step(input, expected: expected, limit: limit) {
            CApusZlib.inflate($0, Z_SYNC_FLUSH)
        }
        switch code {
        case Z_OK, Z_BUF_ERROR, Z_STREAM_END: break
        case Z_MEM_ERROR: throw .outOfMemory
        case Z_NEED_DICT: throw .malformed("a preset dictionary is needed")
        default:
            // Everything before the fault comes first; the next step finds the fault again.
            if step.output.isEmpty { throw .malformed(stream.message) }
        }
        return step
    }

    /// Begins a new stream of the same format, without anything of the last one.
    package func reset() {
        inflateReset(stream.pointer)
        stream.hasReset()
    }
}
