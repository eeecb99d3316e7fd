import ApusConnection
import ApusCore
import Synchronization
import Testing

/// A producer's pieces on their way to a connection, without one.
@Suite(.timeLimit(.minutes(5))) struct UploadPumpTests {
    private struct Broken: Error {}

    /// Pieces of so many bytes each, from a stream; how many were asked for is counted.
    private func pump(
        _ sizes: [Int], failing: Bool = false, maxBuffered: Int = 1 << 20,
        asked: Counter = Counter()
    ) -> UploadPump {
        let body = RequestBody.stream {
            AsyncThrowingStream<Bytes, any Error> {
                let index = asked.add()
                if index < sizes.count {
                    return Bytes(
                        [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: sizes[index]))
                }
                if failing { throw Broken() }
                return nil
            }
        }
        return UploadPump(body.content, maxBuffered: maxBuffered)
    }

    private final class Counter: Sendable {
        private let number = Atomic<Int>(0)
        var value: Int { number.load(ordering: .acquiring) }
        /// Counts one more; how many there were before.
        func add() -> Int { number.add(1, ordering: .acquiringAndReleasing).oldValue }
    }

    /// Takes until the end, waiting for each `ready`; the sizes, the bytes, and how it ended.
    private func takeAll(
        _ pump: UploadPump
    ) async -> (sizes: [Int], bytes: [UInt8], end: String) {
        let (news, signal) = AsyncStream.makeStream(of: Void.self)
        pump.start { signal.yield() }
        var sizes: [Int] = []
        var all: [UInt8] = []
        for await _ in news {
            while true {
                switch pump.next() {
                case .bytes(let bytes):
                    sizes.append(bytes.count)
                    all += bytes.array
                    continue
                case .later: break
                case .end: return (sizes, all, "end")
                case .failed(let error): return (sizes, all, "failed: \(type(of: error))")
                }
                break
            }
        }
        return (sizes, all, "never")
    }

    @Test func piecesComeInOrderThenTheEnd() async {
        let taken = await takeAll(pump([1, 2, 0, 3]))
        // An empty piece is none, and short ones may be joined.
        #expect(taken.bytes == [0, 1, 1, 3, 3, 3])
        #expect(!taken.sizes.contains(0))
        #expect(taken.end == "end")
    }

    @Test func aLargePieceGoesOutInParts() async {
        let taken = await takeAll(pump([600 * 1024]))
        #expect(taken.sizes == [256 * 1024, 256 * 1024, 88 * 1024])
    }

    @Test func aProducersErrorComesAfterItsPieces() async {
        let taken = await takeAll(pump([5], failing: true))
        #expect(taken.sizes == [5])
        #expect(taken.end == "failed: Broken")
    }

    @Test func aProducerIsAskedOnlyAsFarAheadAsTheBound() async {
        let asked = Counter()
        let pump = pump(Array(repeating: 10, count: 100), maxBuffered: 30, asked: asked)
        let (news, signal) = AsyncStream.makeStream(of: Void.self)
        pump.start { signal.yield() }
        var ready = 0
        for await _ in news {
            ready += 1
            if ready == 3 { break }
        }
        // Three pieces fill the bound, and the producer waits until one of them is taken.
        #expect(asked.value == 3)
        guard case .bytes = pump.next() else {
            Issue.record("nothing was brought")
            return
        }
        for await _ in news { break }
        #expect(asked.value == 4)
        pump.stop()
    }

    @Test func aProducerThatIsNotWantedIsNeverAsked() async {
        let asked = Counter()
        let pump = pump([1], asked: asked)
        pump.stop()
        pump.start { Issue.record("it was stopped before") }
        if case .later = pump.next() {} else { Issue.record("something came") }
        #expect(asked.value == 0)
    }

    @Test func nothingComesAfterTheStop() async {
        let pump = pump([1, 2, 3])
        let (news, signal) = AsyncStream.makeStream(of: Void.self)
        pump.start { signal.yield() }
        for await _ in news { break }
        pump.stop()
        if case .bytes = pump.next() { Issue.record("a piece came after the stop") }
    }

    @Test func aFileThatIsNotThereFails() async {
        let body = RequestBody.file(path: "/nonexistent/apus", length: 5)
        let taken = await takeAll(UploadPump(body.content, maxBuffered: 1 << 20))
        #expect(taken.sizes.isEmpty)
        #expect(taken.end.hasPrefix("failed"))
    }
}
