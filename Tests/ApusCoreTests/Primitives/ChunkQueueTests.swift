import ApusCore
import Testing

/// What waits for a body's reader, and what it costs: FAULTS 2.1, "tiny DATA".
@Suite(.timeLimit(.minutes(5))) struct ChunkQueueTests {
    private func taken(_ queue: inout ChunkQueue) -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = queue.popFirst() { bytes += chunk }
        return bytes
    }

    @Test(
        "2.1 tiny DATA: bytes unread cost little more",
        arguments: [1, 7, ChunkQueue.smallPiece - 1])
    func tinyPiecesThatWaitShareTheirArrays(_ size: Int) {
        var queue = ChunkQueue()
        let all = (0..<256 * 1024).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        var start = 0
        while start < all.count {
            let end = min(start + size, all.count)
            queue.append(Bytes(Array(all[start..<end])))
            start = end
        }
        #expect(queue.byteCount == all.count)
        // The first is by itself, and an array may lack one piece of being full.
        let least = ChunkQueue.maxJoined - size + 1
        #expect(queue.pieceCount <= 1 + (all.count + least - 1) / least)
        #expect(taken(&queue) == all)
        #expect(queue.byteCount == 0)
        #expect(queue.isEmpty)
    }

    @Test("2.1 tiny DATA: between large pieces")
    func aSmallPieceBesideALargeOneCostsOneArrayAtMost() {
        var queue = ChunkQueue()
        var all: [UInt8] = []
        for round in 0..<100 {
            for size in [1, ChunkQueue.smallPiece, 1] {
                let piece = [UInt8](repeating: UInt8(round), count: size)
                all += piece
                queue.append(Bytes(piece))
            }
        }
        #expect(queue.pieceCount <= 2 * 100 + 1)
        #expect(taken(&queue) == all)
    }

    @Test func whatIsTakenAtOnceComesAsItWas() {
        var queue = ChunkQueue()
        for number in 0..<1000 {
            queue.append(Bytes("event \(number)"))
            #expect(queue.pieceCount == 1)
            #expect(queue.popFirst() == Bytes("event \(number)"))
            #expect(queue.popFirst() == nil)
        }
    }

    @Test func aSlowReaderThatCatchesUpGetsEveryByte() {
        var queue = ChunkQueue()
        var received: [UInt8] = []
        var sent: [UInt8] = []
        for round in 0..<2000 {
            let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: round % 700)
            sent += piece
            queue.append(Bytes(piece))
            if round % 3 == 0, let chunk = queue.popFirst() { received += chunk }
        }
        received += taken(&queue)
        #expect(received == sent)
        queue.append(Bytes("x"))
        queue.append(Bytes("y"))
        queue.removeAll()
        #expect(queue.isEmpty)
        #expect(queue.byteCount == 0)
    }
}
