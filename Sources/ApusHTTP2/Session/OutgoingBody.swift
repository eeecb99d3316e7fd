import ApusCore
import HTTPTypes

/// The bytes of one request that wait to leave: a queue of slices, never joined.
struct OutgoingBody {
    private var slices: [Bytes] = []
    /// The first slice not yet used up.
    private var head = 0
    /// The bytes in all slices from `head` on.
    private(set) var count = 0
    /// Whether nothing will be added.
    private(set) var isFinished = false
    private(set) var trailers: HTTPFields?
    /// Whether the bytes were thrown away: nothing of the body may leave any more.
    private(set) var isDiscarded = false
    /// Whether nothing is left to leave, now or later.
    var isDone: Bool { isFinished && count == 0 }
    /// Whether nghttp2 waits for more bytes of this stream and must be resumed.
    var isDeferred = false

    mutating func append(_ bytes: Bytes) {
        guard !bytes.isEmpty, !isFinished else { return }
        slices.append(bytes)
        count += bytes.count
    }

    mutating func finish(trailers: HTTPFields?) {
        guard !isFinished else { return }
        isFinished = true
        self.trailers = trailers
    }

    /// Moves the first `length` bytes to the end of `output`; there must be as many.
    mutating func move(_ length: Int, to output: inout OutgoingBytes) {
        precondition(length <= count, "a DATA frame longer than the bytes queued for it")
        count -= length
        var left = length
        while left > 0 {
            let slice = slices[head]
            let step = min(left, slice.count)
            output.append(slice.prefix(step))
            left -= step
            if step == slice.count {
                dropHead()
            } else {
                slices[head] = slice.dropFirst(step)
            }
        }
    }

    /// Lets go of all bytes; nothing can be added any more.
    mutating func discard() {
        slices = []
        head = 0
        count = 0
        isFinished = true
        isDiscarded = true
        trailers = nil
    }

    /// Gives the first slice free at once, and its place in the array once in a while.
    private mutating func dropHead() {
        slices[head] = .empty
        head += 1
        guard head == slices.count || head == 64 else { return }
        slices.removeFirst(head)
        head = 0
    }
}
