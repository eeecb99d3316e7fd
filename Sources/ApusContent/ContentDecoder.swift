public import Apus

/// Decodes content from bytes to bytes, without a transport.
///
/// ```
/// decoder.bytesReceived(piece)
/// while let output = try decoder.nextOutput() { use(output) }
/// // At the end of the content:
/// decoder.contentEnded()
/// while let output = try decoder.nextOutput() { use(output) }
/// ```
///
/// What the input yields is never held back, so that a flushed part of a stream is delivered with
/// the input that completes it. The decoder works only within `nextOutput`. It holds the input that
/// was not decoded, and for each coding the state of its library: at most 64 KiB for `gzip` and
/// `deflate`, about 17 MiB for `br`, whose windows have up to 16 MiB (RFC 7932, section 9.1), and
/// about 9 MiB for `zstd`, whose windows are limited to 8 MiB (RFC 9659, section 3).
///
/// Content without any byte is complete with every coding.
public struct ContentDecoder: ~Copyable, @unchecked Sendable {
    // Unchecked, because the codecs are no `Sendable` classes. They are created here, are
    // referenced here alone, and are used by mutating methods of this value, which cannot be copied
    // and to which such a method has exclusive access.

    /// The most bytes of one output.
    public static let maxPiece = 64 * 1024

    /// Bytes of encoded content that were received.
    public private(set) var encodedBytes: UInt64 = 0
    /// Bytes of decoded content that were returned.
    public private(set) var decodedBytes: UInt64 = 0

    private let limits: ContentLimits
    /// The decoders, that of the last coding first.
    private var stages: [Stage] = []
    private var input = ChunkQueue()
    private var hasEnded = false
    private var failure: ContentError?

    /// One coding and the input that it has not taken.
    private struct Stage {
        let coding: ContentCoding
        let codec: any Codec
        var rest = Bytes.empty
        /// Whether the codec is to be called before it gets new input.
        var hasMore = false
        /// Whether any byte has come.
        var hasBegun = false
        var produced: UInt64 = 0

        mutating func give(_ bytes: Bytes) {
            rest = bytes
            hasMore = true
            hasBegun = true
        }
    }

    /// Creates a decoder.
    ///
    /// - Parameters:
    ///   - codings: the codings in the order in which they were applied, as `Content-Encoding`
    ///     lists them; none is the identity.
    ///   - limits: what the content may decode to.
    /// - Throws: `ContentError` of kind `unavailable` for a coding that this build lacks,
    ///   `tooLarge` for more codings than `limits.maxCodings`, `outOfMemory`.
    public init(
        _ codings: [ContentCoding], limits: ContentLimits = ContentLimits()
    ) throws(ContentError) {
        self.limits = limits
        guard codings.count <= max(limits.maxCodings, 0) else {
            throw ContentError(
                .tooLarge, coding: codings.map(\.rawValue).joined(separator: ", "),
                message: "there are more than \(limits.maxCodings) codings")
        }
        for coding in codings.reversed() {
            stages.append(Stage(coding: coding, codec: try Codecs.decoder(of: coding)))
        }
    }

    /// Whether the content has ended correctly and all of it was returned.
    public private(set) var isComplete = false

    /// Takes the next bytes of the content.
    ///
    /// Bytes that come while earlier ones are not decoded wait; so a caller takes all output first.
    public mutating func bytesReceived(_ bytes: Bytes) {
        guard !bytes.isEmpty, !hasEnded else { return }
        encodedBytes += UInt64(bytes.count)
        input.append(bytes)
    }

    /// The content has ended: what `nextOutput` returns next is the last, or an error.
    public mutating func contentEnded() {
        hasEnded = true
    }

    /// The next decoded bytes, at most `maxPiece` and never empty; `nil` when more input is needed,
    /// or at the end.
    ///
    /// - Throws: `ContentError`, after everything that came before the fault; every later call
    ///   throws it again.
    public mutating func nextOutput() throws(ContentError) -> Bytes? {
        if let failure { throw failure }
        do throws(ContentError) {
            guard let output = try pull(from: stages.count - 1) else {
                if hasEnded { isComplete = true }
                return nil
            }
            decodedBytes += UInt64(output.count)
            return output
        } catch {
            failure = error
            stages = []
            input.removeAll()
            throw error
        }
    }

    /// The next output of a stage, which takes input from the one below; -1 is the input itself.
    private mutating func pull(from index: Int) throws(ContentError) -> Bytes? {
        guard index >= 0 else { return input.popFirst() }
        while true {
            while stages[index].hasMore {
                let output = try step(index)
                if !output.isEmpty { return output }
            }
            guard let bytes = try pull(from: index - 1) else {
                // At the end the stage below, if any, has found its own end correct.
                if hasEnded, stages[index].hasBegun, !stages[index].codec.canEnd {
                    throw ContentError(
                        .truncated, coding: stages[index].coding.rawValue,
                        message: "the content ends before its end")
                }
                return nil
            }
            stages[index].give(bytes)
        }
    }

    private mutating func step(_ index: Int) throws(ContentError) -> Bytes {
        let coding = stages[index].coding
        let produced = stages[index].produced
        let (allowed, isRatio) = limits.allowance(for: encodedBytes)
        let left = allowed - min(allowed, produced)
        let limit = Int(min(UInt64(Self.maxPiece), max(left, 1)))
        do throws(CodecFault) {
            let step = try stages[index].codec.decode(stages[index].rest, limit: limit)
            guard UInt64(step.output.count) <= left else {
                let excess =
                    isRatio
                    ? "more than \(limits.maxRatio) times its own length"
                    : "more than \(allowed) bytes"
                throw .tooLarge("the content decodes to \(excess)")
            }
            stages[index].rest = stages[index].rest.dropFirst(step.consumed)
            stages[index].hasMore = step.hasMore
            stages[index].produced = produced + UInt64(step.output.count)
            return Bytes(step.output)
        } catch {
            throw ContentError(error, coding)
        }
    }
}
