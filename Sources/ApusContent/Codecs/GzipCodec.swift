#if Gzip
    import Apus
    import ApusZlib

    /// Gzip members, one after the other (RFC 1952, section 2.2).
    final class GzipCodec: Codec {
        /// The place in the sequence of members.
        private enum State {
            /// No byte has come.
            ///
            /// Exits: `.member`.
            case start
            /// Exits: `.between`.
            case member
            /// A member has ended; another may follow.
            ///
            /// Exits: `.member`.
            case between
        }

        /// The first byte of a member.
        private static let firstByte: UInt8 = 0x1F

        private let inflater: Inflater
        private var state = State.start

        init() throws(CodecFault) {
            inflater = try zlib { () throws(ZlibError) in try Inflater(.gzip) }
        }

        var canEnd: Bool { if case .between = state { true } else { false } }

        func decode(_ input: Bytes, limit: Int) throws(CodecFault) -> CodecStep {
            if let first = input.first {
                if case .between = state {
                    guard first == Self.firstByte else {
                        throw .malformed("bytes follow the last member")
                    }
                    inflater.reset()
                    state = .member
                }
                if case .start = state { state = .member }
            }
            guard case .member = state else {
                return CodecStep(output: [], consumed: 0, hasMore: false)
            }
            let step = try zlib { () throws(ZlibError) in
                try inflater.inflate(input, limit: limit)
            }
            var hasMore = step.next == .again
            if step.next == .end {
                state = .between
                hasMore = step.consumed < input.count
            }
            return CodecStep(output: step.output, consumed: step.consumed, hasMore: hasMore)
        }
    }

    /// Calls zlib and translates its error.
    func zlib<Result>(_ body: () throws(ZlibError) -> Result) throws(CodecFault) -> Result {
        do throws(ZlibError) {
            return try body()
        } catch {
            switch error {
            case .malformed(let message): throw .malformed(message)
            case .unsupportedSettings: throw .malformed("settings that zlib does not have")
            case .outOfMemory: throw .outOfMemory
            }
        }
    }
#endif
