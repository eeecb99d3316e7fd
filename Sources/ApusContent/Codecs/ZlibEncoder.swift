#if Gzip
    import Apus
    import ApusZlib

    /// One gzip member or zlib stream.
    final class ZlibEncoder: Encoder {
        private let deflater: Deflater

        /// Creates an encoder.
        ///
        /// - Parameters:
        ///   - format: what surrounds the blocks.
        ///   - level: 0 to 9, clamped; `nil` is 6.
        init(_ format: ZlibFormat, level: Int?) throws(CodecFault) {
            let level = min(max(level ?? 6, 0), 9)
            deflater = try zlib { () throws(ZlibError) in try Deflater(format, level: level) }
        }

        func encode(
            _ input: Bytes, flush: ContentEncoder.Flush, limit: Int
        ) throws(CodecFault) -> CodecStep {
            let step = try zlib { () throws(ZlibError) in
                try deflater.deflate(input, flush: flush.zlib, limit: limit)
            }
            return CodecStep(
                output: step.output, consumed: step.consumed, hasMore: step.next == .again)
        }
    }

    extension ContentEncoder.Flush {
        fileprivate var zlib: Deflater.Flush {
            switch self {
            case .none: .none
            case .sync: .sync
            case .finish: .finish
            }
        }
    }
#endif
