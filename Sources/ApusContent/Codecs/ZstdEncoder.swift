#if Zstd
    import Apus
    import CApusZstd

    /// One Zstandard frame, whose window is at most 8 MiB (RFC 9659, section 3).
    final class ZstdEncoder: Encoder {
        /// Owned: made by `init`, freed by `deinit`, and never given away.
        private let context: OpaquePointer
        private var room = OutputRoom()

        /// Creates an encoder.
        ///
        /// - Parameter level: 1 to 19, clamped; `nil` is 3.
        init(level: Int?) throws(CodecFault) {
            guard let context = ZSTD_createCCtx() else { throw .outOfMemory }
            self.context = context
            let level = Int32(min(max(level ?? 3, 1), 19))
            ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
            ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        }

        deinit {
            ZSTD_freeCCtx(context)
        }

        func encode(
            _ input: Bytes, flush: ContentEncoder.Flush, limit: Int
        ) throws(CodecFault) -> CodecStep {
            let capacity = room.capacity(for: input.count, limit: limit)
            var consumed = 0
            var result = 0
            let output = [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
                var buffer = ZSTD_outBuffer(dst: target.baseAddress, size: capacity, pos: 0)
                input.withSpan { span in
                    span.withUnsafeBytes { source in
                        var given = ZSTD_inBuffer(
                            src: source.baseAddress, size: source.count, pos: 0)
                        repeat {
                            result = ZSTD_compressStream2(
                                context, &buffer, &given, flush.directive)
                        } while ZSTD_isError(result) == 0 && buffer.pos < capacity
                            && given.pos < given.size
                        consumed = given.pos
                    }
                }
                count = buffer.pos
            }
            guard ZSTD_isError(result) == 0 else {
                guard ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation else {
                    throw .malformed(String(cString: ZSTD_getErrorName(result)).lowercased())
                }
                throw .outOfMemory
            }
            room.used(output.count, of: capacity)
            let isFlushed = flush == .none || result == 0
            return CodecStep(
                output: OutputRoom.trimmed(output, capacity: capacity), consumed: consumed,
                hasMore: consumed < input.count || !isFlushed)
        }
    }

    extension ContentEncoder.Flush {
        fileprivate var directive: ZSTD_EndDirective {
            switch self {
            case .none: ZSTD_e_continue
            case .sync: ZSTD_e_flush
            case .finish: ZSTD_e_end
            }
        }
    }
#endif
