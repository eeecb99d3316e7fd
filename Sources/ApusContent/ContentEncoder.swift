public import Apus

/// Encodes content from bytes to bytes, without a transport.
///
/// `gzip`, `deflate` (as a zlib stream) and `zstd` can be encoded. The encoder works only within
/// `nextOutput`.
public struct ContentEncoder: ~Copyable, @unchecked Sendable {
    // Unchecked for the reason that `ContentDecoder` has: the encoder is referenced here alone, and
    // this value cannot be copied.

    /// The most bytes of one output.
    public static let maxPiece = 64 * 1024

    /// How much of the input must be in the output.
    public enum Flush: Sendable, Hashable {
        /// As much as compresses best.
        case none
        /// All of it, so that the receiver can decode it at once.
        case sync
        /// All of it, and the content's end.
        case finish
    }

    private let coding: ContentCoding
    private let encoder: any Encoder
    private var input = ChunkQueue()
    private var rest = Bytes.empty
    private var flush = Flush.none
    /// Whether the encoder is to be called before it gets new input.
    private var hasMore = false
    private var hasEnded = false

    /// Creates an encoder.
    ///
    /// - Parameters:
    ///   - coding: the coding.
    ///   - level: the effort: 0 to 9 for `gzip` and `deflate` (6 by default), 1 to 19 for `zstd`
    ///     (3 by default); clamped.
    /// - Throws: `ContentError` of kind `unavailable` for `br` and for a coding that this build
    ///   lacks; `outOfMemory`.
    public init(_ coding: ContentCoding, level: Int? = nil) throws(ContentError) {
        self.coding = coding
        encoder = try Codecs.encoder(of: coding, level: level)
    }

    /// Takes the next bytes of the content.
    public mutating func bytesReceived(_ bytes: Bytes) {
        guard !bytes.isEmpty else { return }
        input.append(bytes)
    }

    /// Everything received so far is to be in the output.
    public mutating func flushRequested() {
        guard flush == .none else { return }
        flush = .sync
        hasMore = true
    }

    /// The content has ended.
    public mutating func contentEnded() {
        guard flush != .finish else { return }
        flush = .finish
        hasMore = true
    }

    /// The next encoded bytes, never empty; `nil` when more input is needed, or at the end.
    ///
    /// - Throws: `ContentError` of kind `outOfMemory`.
    public mutating func nextOutput() throws(ContentError) -> Bytes? {
        while !hasEnded {
            if rest.isEmpty, let next = input.popFirst() {
                rest = next
                hasMore = true
            }
            guard hasMore else { return nil }
            // The flush comes with the last of the input.
            let flush = input.isEmpty ? flush : .none
            let step: CodecStep
            do throws(CodecFault) {
                step = try encoder.encode(rest, flush: flush, limit: Self.maxPiece)
            } catch {
                throw ContentError(error, coding)
            }
            rest = rest.dropFirst(step.consumed)
            hasMore = step.hasMore
            if !hasMore, flush == .finish { hasEnded = true }
            if !hasMore, flush == .sync { self.flush = .none }
            if !step.output.isEmpty { return Bytes(step.output) }
        }
        return nil
    }
}
