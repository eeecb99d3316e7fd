#if Brotli
    import Apus
    import CApusBrotli

    /// One brotli stream (RFC 7932), whose window is at most 16 MiB.
    final class BrotliCodec: Codec {
        /// The input of one call: at a fault the library gives up what it has made of the present
        /// call's input, so that a long call would lose good output.
        private static let slice = 1024

        /// Owned: made by `init`, freed by `deinit`, and never given away.
        private let decoder: OpaquePointer
        private var hasEnded = false

        init() throws(CodecFault) {
            guard let decoder = BrotliDecoderCreateInstance(nil, nil, nil) else {
                throw .outOfMemory
            }
            self.decoder = decoder
        }

        deinit {
            BrotliDecoderDestroyInstance(decoder)
        }

        var canEnd: Bool { hasEnded }

        func decode(_ input: Bytes, limit: Int) throws(CodecFault) -> CodecStep {
            guard !hasEnded else {
                guard input.isEmpty else { throw .malformed("bytes follow the end of the stream") }
                return CodecStep(output: [], consumed: 0, hasMore: false)
            }
            var consumed = 0
            while true {
                if BrotliDecoderHasMoreOutput(decoder) != 0 {
                    return CodecStep(output: takeOutput(limit), consumed: consumed, hasMore: true)
                }
                let rest = input.dropFirst(consumed).prefix(Self.slice)
                let (result, taken) = decompress(rest)
                consumed += taken
                switch result {
                case BROTLI_DECODER_RESULT_SUCCESS:
                    hasEnded = true
                    return CodecStep(
                        output: [], consumed: consumed, hasMore: consumed < input.count)
                case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
                    continue
                case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
                    let isDone = consumed == input.count
                    guard isDone, BrotliDecoderHasMoreOutput(decoder) == 0 else { continue }
                    return CodecStep(output: [], consumed: consumed, hasMore: false)
                default:
                    throw fault()
                }
            }
        }

        /// Gives the library some input; its output stays with it, in its window.
        private func decompress(_ input: Bytes) -> (BrotliDecoderResult, taken: Int) {
            input.withSpan { span in
                span.withUnsafeBytes { source in
                    var availableIn = source.count
                    var nextIn = source.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    var availableOut = 0
                    let result = BrotliDecoderDecompressStream(
                        decoder, &availableIn, &nextIn, &availableOut, nil, nil)
                    return (result, source.count - availableIn)
                }
            }
        }

        /// Copies output from the window, at most so many bytes.
        private func takeOutput(_ limit: Int) -> [UInt8] {
            var count = limit
            guard let start = BrotliDecoderTakeOutput(decoder, &count) else { return [] }
            return Array(UnsafeBufferPointer(start: start, count: count))
        }

        private func fault() -> CodecFault {
            let code = BrotliDecoderGetErrorCode(decoder)
            let allocations =
                BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
                .rawValue...BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES.rawValue
            if allocations.contains(code.rawValue) { return .outOfMemory }
            let text = BrotliDecoderErrorString(code).map { String(cString: $0) } ?? "an error"
            return .malformed("\(text.lowercased()) in the stream")
        }
    }
#endif
