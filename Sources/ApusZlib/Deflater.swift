package import ApusCore
import CApusZlib

/// Compresses into one gzip, zlib or raw stream, step by step.
///
/// It holds `1 << (windowBits + 2)` and `1 << (memoryLevel + 9)` bytes, 256 KiB by default. One
/// thread at a time uses it.
package final class Deflater {
    /// The most that a step yields unless its caller says otherwise.
    package static let defaultLimit = 64 * 1024

    /// How much of the input must be in the output after a step.
    package enum Flush: Sendable, Hashable {
        /// As much as compresses best.
        case none
        /// All of it: the output then ends with an empty stored block, `00 00 FF FF`, from which
        /// the reader needs nothing more (RFC 7692, section 7.2.1).
        ///
        /// Where the output fills its limit to the byte, that block may come twice, which is as
        /// valid.
        case sync
        /// All of it, and the stream's end.
        case finish

        fileprivate var code: Int32 {
            switch self {
            case .none: Z_NO_FLUSH
            case .sync: Z_SYNC_FLUSH
            case .finish: Z_FINISH
            }
        }
    }

    private let stream = ZlibStream()

    /// Creates a stream.
    ///
    /// - Parameters:
    ///   - format: what surrounds the blocks.
    ///   - level: 0, stored, to 9, smallest.
    ///   - windowBits: the window, 8 to 15; a zlib stream with 8 uses 9.
    ///   - memoryLevel: the memory for the search, 1 to 9.
    /// - Throws: `ZlibError.outOfMemory`; `.unsupportedSettings` for a raw or gzip stream with a
    ///   window of 8 bits, which zlib cannot make.
    package init(
        _ format: ZlibFormat, level: Int = 6, windowBits: Int = 15, memoryLevel: Int = 8
    ) throws(ZlibError) {
        precondition((8...15).contains(windowBits), "a window of \(windowBits) bits")
        precondition((0...9).contains(level), "level \(level)")
        precondition((1...9).contains(memoryLevel), "memory level \(memoryLevel)")
        let code = deflateInit2_(
            stream.pointer, Int32(level), Z_DEFLATED, format.code(windowBits: windowBits),
            Int32(memoryLevel), Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        try stream.check(code)
    }

    deinit {
        deflateEnd(stream.pointer)
    }

    /// Compresses as much of the input as the limit allows.
    ///
    /// - Parameters:
    ///   - input: the next bytes; after `ZlibStep.Next.again` what was not taken.
    ///   - flush: how much must be in the output; the same in each step until the result is not
    ///     `.again`. After `finish` the result is `.end`, and nothing but `reset()` may follow.
    ///   - limit: the most bytes that the step yields, at least 64.
    /// - Throws: `ZlibError.malformed` when the stream has ended already.
    package func deflate(
        _ input: Bytes, flush: Flush = .none, limit: Int = Deflater.defaultLimit
    ) throws(ZlibError) -> ZlibStep {
        precondition(limit >= ZlibStream.minCapacity, "a step with room for \(limit) bytes")
        let expected = min(input.count, limit) / 2 + ZlibStream.minCapacity * 4
        let (step, code) = stream.step(input, expected: expected, limit: limit) {
            CApusZlib.deflate($0, flush.code)
        }
        switch code {
        case Z_OK, Z_BUF_ERROR, Z_STREAM_END: return step
        default: throw .malformed("the stream has ended")
        }
    }

    /// Begins a new stream of the same settings, without anything of the last one.
    package func reset() {
        deflateReset(stream.pointer)
        stream.hasReset()
    }
}
