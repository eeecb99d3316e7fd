#if Zstd
    import Apus
    import CApusZstd

    /// Zstandard frames and skippable frames, one after the other (RFC 8878), with windows of at
    /// most 8 MiB (RFC 9659, section 3).
    ///
    /// The library reports no output of a call that fails, and takes a frame that is whole in one
    /// call by a way that ignores the bound of the window. So each call gets one byte of a frame's
    /// first bytes, and then at most one block; the last bytes of a frame's last block come one by
    /// one, since a block that is not compressed is output byte by byte, and its last byte is the
    /// one that the library refuses. Nor does it compare the length of a frame that ends with an
    /// empty block.
    final class ZstdCodec: Codec {
        static let maxWindowLog: Int32 = 23
        /// The longest header of a frame (RFC 8878, section 3.1.1.1).
        private static let maxHeader = 18
        /// The bytes of the next block's header, which the library asks for with a block.
        private static let blockHeader = 3
        /// What a frame begins with; the first byte of a skippable one is 0x50 to 0x5F.
        private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
        private static let skippableMagic: [UInt8] = [0x50, 0x2A, 0x4D, 0x18]

        /// Owned: made by `init`, freed by `deinit`, and never given away.
        private let context: OpaquePointer
        private var room = OutputRoom()
        /// Bytes of the present frame that were taken, up to `maxHeader`; 0 between frames.
        private var position = 0
        private var isSkippable = false
        private var isFirstFrame = true
        /// The first bytes of the present frame, at most `maxHeader`.
        private var header: [UInt8] = []
        /// The output of the present frame.
        private var produced: UInt64 = 0
        /// Bytes that the library asked for.
        private var wanted = 0
        /// Whether the last step filled its output, so that the library may hold more.
        private var wasFull = false
        /// A fault that was found after good output, for the next step.
        private var fault: CodecFault?

        init() throws(CodecFault) {
            guard let context = ZSTD_createDCtx() else { throw .outOfMemory }
            self.context = context
            ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.maxWindowLog)
        }

        deinit {
            ZSTD_freeDCtx(context)
        }

        var canEnd: Bool { position == 0 && fault == nil }

        func decode(_ input: Bytes, limit: Int) throws(CodecFault) -> CodecStep {
            if let fault { throw fault }
            let capacity = room.capacity(for: input.count, limit: limit)
            var consumed = 0
            let output = [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
                var buffer = ZSTD_outBuffer(dst: target.baseAddress, size: capacity, pos: 0)
                input.withSpan { span in
                    span.withUnsafeBytes { consumed = decompress($0, into: &buffer) }
                }
                count = buffer.pos
            }
            room.used(output.count, of: capacity)
            if output.isEmpty, let fault { throw fault }
            let hasMore = fault != nil || output.count == capacity || consumed < input.count
            return CodecStep(
                output: OutputRoom.trimmed(output, capacity: capacity), consumed: consumed,
                hasMore: hasMore)
        }

        /// Decodes until the output is full, the input is taken, or a fault is found; returns the
        /// number of bytes taken.
        private func decompress(
            _ source: UnsafeRawBufferPointer, into output: inout ZSTD_outBuffer
        ) -> Int {
            var input = ZSTD_inBuffer(src: source.baseAddress, size: 0, pos: 0)
            // Output that is left is taken by a call that cannot meet a fault.
            var mustFlush = wasFull && position > 0
            defer { wasFull = output.pos == output.size }
            while true {
                let left = source.count - input.pos
                if position == 0, left == 0 { return input.pos }
                if left > 0, position < Self.magic.count,
                    !isMagic(source[input.pos])
                {
                    fault = .malformed(
                        isFirstFrame
                            ? "the content does not begin with a frame"
                            : "bytes follow the last frame")
                    return input.pos
                }
                let before = (input.pos, output.pos)
                input.size = before.0 + (mustFlush ? 0 : sliceLength(of: left))
                mustFlush = false
                let result = ZSTD_decompressStream(context, &output, &input)
                guard ZSTD_isError(result) == 0 else {
                    fault = Self.fault(of: result)
                    return before.0
                }
                produced += UInt64(output.pos - before.1)
                advance(over: source[before.0..<max(before.0, input.pos)], wanted: result)
                if fault != nil { return input.pos }
                if output.pos == output.size || input.pos == source.count { return input.pos }
            }
        }

        private func sliceLength(of left: Int) -> Int {
            guard position >= Self.maxHeader, wanted > Self.blockHeader else { return min(left, 1) }
            return min(left, wanted - Self.blockHeader)
        }

        /// After a call that took these bytes, and asks for so many; 0 is the end of a frame.
        private func advance(over bytes: Slice<UnsafeRawBufferPointer>, wanted: Int) {
            if position < Self.maxHeader { header += bytes }
            position = min(position + bytes.count, Self.maxHeader)
            self.wanted = wanted
            guard wanted == 0 else { return }
            let length = header.withUnsafeBytes {
                ZSTD_getFrameContentSize($0.baseAddress, $0.count)
            }
            // The two highest values are an unknown length, and a header that has none.
            if !isSkippable, length < UInt64.max - 1, length != produced {
                fault = .malformed("the frame is not as long as its header says")
            }
            position = 0
            header.removeAll(keepingCapacity: true)
            produced = 0
            isFirstFrame = false
        }

        /// Whether the byte can be at the present position of a frame's magic number.
        private func isMagic(_ byte: UInt8) -> Bool {
            if position == 0 { isSkippable = byte & 0xF0 == 0x50 }
            if isSkippable { return position == 0 || byte == Self.skippableMagic[position] }
            return byte == Self.magic[position]
        }

        private static func fault(of result: Int) -> CodecFault {
            switch ZSTD_getErrorCode(result) {
            case ZSTD_error_frameParameter_windowTooLarge:
                .tooLarge("the frame needs a window of more than 8 MiB")
            case ZSTD_error_memory_allocation: .outOfMemory
            default: .malformed(String(cString: ZSTD_getErrorName(result)).lowercased())
            }
        }
    }
#endif
