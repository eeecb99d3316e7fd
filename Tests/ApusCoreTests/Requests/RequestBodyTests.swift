import ApusCore
import Testing

/// What a request's body knows of its length, and whether it can be made again.
@Suite struct RequestBodyTests {
    @Test func noBodyHasNoBytes() {
        #expect(RequestBody.empty.length == 0)
        #expect(RequestBody.empty.isReplayable)
        #expect(RequestBody.empty.isEmpty)
        #expect(segments(of: .empty) == [])
    }

    @Test(arguments: [[], [""], ["abc"], ["ab", "", "cde"], ["", ""], ["a", "b", "c"]])
    func segmentsAddUpAndEmptyOnesAreLeftOut(texts: [String]) {
        let body = RequestBody.segments(texts.map { Bytes($0) })
        let count = texts.reduce(0) { $0 + $1.utf8.count }
        #expect(body.length == UInt64(count))
        #expect(body.isEmpty == (count == 0))
        #expect(body.isReplayable)
        #expect(segments(of: body) == texts.filter { !$0.isEmpty }.map { Bytes($0) })
    }

    @Test func bytesAreOneSegment() {
        #expect(RequestBody.bytes(Bytes("abc")).length == 3)
        #expect(segments(of: .bytes(Bytes("abc"))) == [Bytes("abc")])
        #expect(segments(of: .bytes(.empty)) == [])
    }

    @Test func aFileHasTheLengthItWasGiven() {
        let body = RequestBody.file(path: "/a", length: UInt64.max)
        #expect(body.length == .max)
        #expect(body.isReplayable)
        guard case .file(path: "/a") = body.content else {
            Issue.record("not the file")
            return
        }
    }

    @Test(arguments: [nil, 0, 5, UInt64.max])
    func aStreamsLengthIsTheCallers(length: UInt64?) {
        let body = RequestBody.stream(length: length) { pieces([]) }
        #expect(body.length == length)
        #expect(body.isEmpty == (length == 0))
        #expect(body.isReplayable)
    }

    @Test func aStreamIsMadeAnewForEachTry() async throws {
        let body = RequestBody.stream { pieces(["a", "b"]) }
        guard case .stream(let make) = body.content else {
            Issue.record("not a stream")
            return
        }
        for _ in 0..<2 {
            var taken: [Bytes] = []
            try await take(from: make(), into: &taken)
            #expect(taken == [Bytes("a"), Bytes("b")])
        }
    }

    @Test func aOneShotStreamIsNeverReplayable() {
        #expect(!RequestBody.oneShot { pieces([]) }.isReplayable)
        #expect(RequestBody.oneShot { pieces([]) }.length == nil)
        #expect(RequestBody.oneShot(length: 3) { pieces([]) }.length == 3)
    }

    /// One that throws nothing, one that throws anything, and one whose type is not known.
    @Test func anySequenceOfBytesIsAProducer() async throws {
        let bodies: [RequestBody] = [
            .stream {
                AsyncStream<Bytes> { continuation in
                    continuation.yield(Bytes("a"))
                    continuation.finish()
                }
            },
            .oneShot(length: 1) {
                AsyncThrowingStream<Bytes, any Error> { continuation in
                    continuation.yield(Bytes("a"))
                    continuation.finish()
                }
            },
            .oneShot { pieces(["a"]) },
        ]
        for body in bodies {
            guard case .stream(let make) = body.content else {
                Issue.record("not a stream")
                continue
            }
            var taken: [Bytes] = []
            try await take(from: make(), into: &taken)
            #expect(taken == [Bytes("a")])
        }
    }

    private func take(from producer: some BodyProducer, into taken: inout [Bytes]) async throws {
        for try await piece in producer.pieces { taken.append(piece) }
    }

    private func segments(of body: RequestBody) -> [Bytes]? {
        guard case .segments(let segments) = body.content else { return nil }
        return segments
    }
}

private func pieces(_ texts: [String]) -> RequestBody.Stream {
    AsyncThrowingStream<Bytes, any Error> { continuation in
        for text in texts { continuation.yield(Bytes(text)) }
        continuation.finish()
    }
}
