import Apus

#if Gzip
    import ApusZlib
#endif

/// The result of one step of a codec.
struct CodecStep {
    /// What the step yielded, at most as many bytes as its limit.
    var output: [UInt8]
    /// How many bytes of the input were taken.
    var consumed: Int
    /// Whether another step is needed for the rest of the input, or for output that is left;
    /// otherwise the whole input was taken and everything that it yields is in the output.
    var hasMore: Bool
}

/// Why a codec could not go on; a codec whose step has thrown is not used again.
enum CodecFault: Error {
    case malformed(String)
    case tooLarge(String)
    case outOfMemory
    /// The coding has no codec in this build.
    case unavailable
}

/// The decoder of one content coding.
///
/// One thread at a time uses it. A fault is thrown by the step after the one that has the last good
/// output.
protocol Codec: AnyObject {
    /// Whether the content may end with the bytes taken so far.
    var canEnd: Bool { get }

    /// Decodes as much of the input as the limit, at least 1, allows.
    func decode(_ input: Bytes, limit: Int) throws(CodecFault) -> CodecStep
}

/// The encoder of one content coding; one thread at a time uses it.
protocol Encoder: AnyObject {
    /// Encodes as much of the input as the limit, at least 64, allows.
    ///
    /// The flush is the same in each step until one has nothing more; after `finish` no other step
    /// follows.
    func encode(
        _ input: Bytes, flush: ContentEncoder.Flush, limit: Int
    ) throws(CodecFault) -> CodecStep
}

/// The codecs of this build.
enum Codecs {
    #if Gzip
        static let hasGzip = true
    #else
        static let hasGzip = false
    #endif
    #if Brotli
        static let hasBrotli = true
    #else
        static let hasBrotli = false
    #endif
    #if Zstd
        static let hasZstd = true
    #else
        static let hasZstd = false
    #endif

    /// The decoder of a coding.
    static func decoder(of coding: ContentCoding) throws(ContentError) -> any Codec {
        do throws(CodecFault) {
            switch coding {
            #if Gzip
                case .gzip: return try GzipCodec()
                case .deflate: return DeflateCodec()
            #else
                case .gzip, .deflate: throw .unavailable
            #endif
            #if Brotli
                case .brotli: return try BrotliCodec()
            #else
                case .brotli: throw .unavailable
            #endif
            #if Zstd
                case .zstd: return try ZstdCodec()
            #else
                case .zstd: throw .unavailable
            #endif
            }
        } catch {
            throw ContentError(error, coding)
        }
    }

    /// The encoder of a coding.
    ///
    /// - Parameter level: the effort, clamped to what the coding has; `nil` is its default.
    static func encoder(
        of coding: ContentCoding, level: Int?
    ) throws(ContentError) -> any Encoder {
        do throws(CodecFault) {
            switch coding {
            #if Gzip
                case .gzip: return try ZlibEncoder(.gzip, level: level)
                case .deflate: return try ZlibEncoder(.zlib, level: level)
            #else
                case .gzip, .deflate: throw .unavailable
            #endif
            #if Zstd
                case .zstd: return try ZstdEncoder(level: level)
            #else
                case .zstd: throw .unavailable
            #endif
            case .brotli: throw .unavailable
            }
        } catch {
            throw ContentError(error, coding)
        }
    }
}

/// The room for the output of a step: little for a short input, up to the limit while output comes.
struct OutputRoom {
    private static let least = 512
    private static let expectedRatio = 4
    /// The room of the next step if the last one was filled; 0 if it was not.
    private var grown = 0

    func capacity(for input: Int, limit: Int) -> Int {
        min(limit, max(Self.least, grown, min(input, limit) * Self.expectedRatio))
    }

    mutating func used(_ count: Int, of capacity: Int) {
        grown = count < capacity ? 0 : capacity * 2
    }

    /// The output without the room that a short one did not need.
    static func trimmed(_ output: [UInt8], capacity: Int) -> [UInt8] {
        guard output.count < capacity / 2 else { return output }
        return output.withUnsafeBufferPointer { Array($0) }
    }
}
