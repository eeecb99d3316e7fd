/// The pieces of a body that were not taken yet, first in, first out.
///
/// Small pieces that wait are joined, so that what waits costs little more than its bytes, however
/// finely a peer cuts them. What is taken at once, and every large piece, is never copied.
package struct ChunkQueue {
    /// A piece of fewer bytes is joined to those before it.
    package static let smallPiece = 512
    /// What is joined comes to no more than this.
    package static let maxJoined = 8 * 1024

    private var chunks: [Bytes] = []
    private var first = 0
    /// Small pieces after the last chunk; the array has no other owner, so adding to it copies
    /// nothing.
    private var tail: [UInt8] = []
    package private(set) var byteCount = 0

    package init() {}

    package var isEmpty: Bool { first == chunks.count && tail.isEmpty }
    /// How many arrays hold the bytes.
    package var pieceCount: Int { chunks.count - first + (tail.isEmpty ? 0 : 1) }

    package mutating func append(_ bytes: Bytes) {
        byteCount += bytes.count
        guard bytes.count < Self.smallPiece, !isEmpty else {
            closeTail()
            chunks.append(bytes)
            return
        }
        if tail.count + bytes.count > Self.maxJoined { closeTail() }
        bytes.withSpan { tail.append(copying: $0) }
    }

    package mutating func popFirst() -> Bytes? {
        if first == chunks.count { closeTail() }
        guard first < chunks.count else { return nil }
        let bytes = chunks[first]
        first += 1
        byteCount -= bytes.count
        if first == chunks.count {
            chunks.removeAll(keepingCapacity: true)
            first = 0
        } else {
            chunks[first - 1] = .empty
            compactIfMostlyTaken()
        }
        return bytes
    }

    package mutating func removeAll() {
        self = ChunkQueue()
    }

    private mutating func closeTail() {
        guard !tail.isEmpty else { return }
        chunks.append(Bytes(tail))
        tail = []
    }

    /// Keeps the taken places at the front from growing without end; amortised O(1).
    private mutating func compactIfMostlyTaken() {
        guard first >= 64, first * 2 >= chunks.count else { return }
        chunks.removeFirst(first)
        first = 0
    }
}
