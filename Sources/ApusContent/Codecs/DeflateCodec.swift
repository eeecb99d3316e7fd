#if Gzip
    import Apus
    import ApusZlib

    /// The coding `deflate`: a zlib stream, or a raw one where the first bytes are no zlib header.
    ///
    /// A raw stream never begins with a zlib header unless its first block is stored and its
    /// padding is not zero, which no encoder writes.
    final class DeflateCodec: Codec {
        /// The progress of the stream.
        private enum State {
            /// At most one byte has come, which decides nothing alone.
            ///
            /// Exits: `.stream`.
            case undecided(UInt8?)
            /// Exits: `.ended`.
            case stream(Inflater)
            /// Exits: none.
            case ended
        }

        private var state = State.undecided(nil)

        var canEnd: Bool { if case .ended = state { true } else { false } }

        func decode(_ input: Bytes, limit: Int) throws(CodecFault) -> CodecStep {
            switch state {
            case .undecided(let kept):
                return try begin(kept, input, limit)
            case .stream(let inflater):
                return try inflate(inflater, input, limit)
            case .ended:
                guard input.isEmpty else { throw .malformed("bytes follow the end of the stream") }
                return CodecStep(output: [], consumed: 0, hasMore: false)
            }
        }

        private func begin(
            _ kept: UInt8?, _ input: Bytes, _ limit: Int
        ) throws(CodecFault) -> CodecStep {
            guard let byte = input.first else {
                return CodecStep(output: [], consumed: 0, hasMore: false)
            }
            guard let first = kept ?? (input.count > 1 ? byte : nil) else {
                state = .undecided(byte)
                return CodecStep(output: [], consumed: 1, hasMore: false)
            }
            let isZlib = Self.isHeader(first, kept == nil ? input[1] : byte)
            let inflater = try zlib { () throws(ZlibError) in
                try Inflater(isZlib ? .zlib : .raw)
            }
            state = .stream(inflater)
            guard kept != nil else { return try inflate(inflater, input, limit) }
            // The kept byte alone: it yields nothing, or is at fault.
            let step = try inflate(inflater, Bytes([first]), limit)
            return CodecStep(output: step.output, consumed: 0, hasMore: true)
        }

        private func inflate(
            _ inflater: Inflater, _ input: Bytes, _ limit: Int
        ) throws(CodecFault) -> CodecStep {
            let step = try zlib { () throws(ZlibError) in
                try inflater.inflate(input, limit: limit)
            }
            if step.next == .end { state = .ended }
            let hasMore = step.next == .again || step.consumed < input.count
            return CodecStep(output: step.output, consumed: step.consumed, hasMore: hasMore)
        }

        /// Whether two bytes are the header of a zlib stream (RFC 1950, section 2.2).
        private static func isHeader(_ first: UInt8, _ second: UInt8) -> Bool {
            first & 0x0F == 8 && first >> 4 <= 7 && (Int(first) << 8 | Int(second)) % 31 == 0
        }
    }
#endif
