import Apus
import Loopback
import Testing

/// A body made of another one: what its reader gets, what its stage is called for, and how it ends.
@Suite(.timeLimit(.minutes(5))) struct TransformedBodyTests {
    private static var past: ContinuousClock.Instant { .now - .seconds(1) }
    private static var soon: ContinuousClock.Instant { .now + .milliseconds(5) }
    private static var never: ContinuousClock.Instant { .now + .seconds(3600) }

    private let record = StageStub.Record()

    private func stage(_ change: (inout StageStub) -> Void = { _ in }) -> StageStub {
        var stage = StageStub(record)
        change(&stage)
        return stage
    }

    // MARK: Pieces and ends

    @Test(arguments: ProtocolVariant.allCases)
    func everyByteOfAnOriginPassesAStage(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/bytes/1000000")
            // Odd cuts, and an empty output for each piece.
            let cutting = stage {
                $0.outputs = { piece in
                    [
                        .empty, piece.prefix(1), piece.dropFirst(1).prefix(999),
                        piece.dropFirst(1000),
                    ]
                }
            }
            let body = ResponseBody(transforming: response.body, by: cutting)
            #expect(try await checkPattern(body) == 1_000_000)
            #expect(response.info.done != nil)
            #expect(record.calls.suffix(2) == ["end", "trailers"])
        }
    }

    @Test func onePieceMayYieldNoneOrSeveralAndTheEndMore() async throws {
        let inner = ResponseBody(["a", "bb", "ccc"].map { Bytes($0) })
        let body = ResponseBody(
            transforming: inner,
            by: stage {
                $0.outputs = { $0.count == 2 ? [] : [$0, .empty, $0] }
                $0.tail = [.empty, Bytes("tail"), Bytes("end")]
            })
        var read: [String] = []
        for try await piece in body { read.append(String(piece)) }
        #expect(read == ["a", "a", "ccc", "ccc", "tail", "end"])
        let again = body.makeAsyncIterator()
        #expect(try await again.next() == nil)
        #expect(try await again.next(until: Self.past) == .end)
        let calls = ["piece of 1", "piece of 2", "piece of 3", "end", "trailers"]
        #expect(record.calls == calls)
    }

    @Test func aPieceIsTakenOnlyWhenTheOutputIsRead() async throws {
        let inner = ResponseBody(["a", "bb"].map { Bytes($0) })
        let body = ResponseBody(
            transforming: inner, by: stage { $0.outputs = { [$0, $0, $0] } })
        let pieces = body.makeAsyncIterator()
        for _ in 0..<3 {
            #expect(try await pieces.next() == Bytes("a"))
            #expect(record.calls == ["piece of 1"])
        }
        #expect(try await pieces.next() == Bytes("bb"))
        #expect(record.calls == ["piece of 1", "piece of 2"])
    }

    @Test func trailersComeAfterTheEndAndMayBeReplaced() async throws {
        for own: HTTPFields? in [nil, [.eTag: "own"]] {
            let inner = ResponseBody([Bytes("a")], trailers: [.eTag: "inner"])
            let body = ResponseBody(
                transforming: inner,
                by: stage {
                    $0.trailers = own
                    $0.tail = [Bytes("b")]
                })
            let pieces = body.makeAsyncIterator()
            #expect(try await pieces.next() == Bytes("a"))
            #expect(try await pieces.next() == Bytes("b"))
            #expect(body.trailers == nil)
            #expect(try await pieces.next() == nil)
            #expect(body.trailers == own ?? [.eTag: "inner"])
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func trailersOfAnOriginPass(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/trailers?n=10")
            let body = ResponseBody(transforming: response.body, by: stage())
            #expect(try await body.collect(upTo: 10).count == 10)
            #expect(body.trailers?[HTTPField.Name("x-count")!] == "10")
        }
    }

    /// A codec is a resource that cannot be copied.
    @Test func aStageNeedNotBeCopyable() async throws {
        struct Codec: ~Copyable, BodyTransform {
            let record: StageStub.Record
            var waiting: Bytes?

            mutating func bytesReceived(_ piece: Bytes) { waiting = piece }
            mutating func nextOutput() -> Bytes? {
                defer { waiting = nil }
                return waiting
            }
            mutating func bodyEnded() {}
            deinit { record.add("released") }
        }
        let inner = ResponseBody([Bytes("a"), Bytes("b")], trailers: [.eTag: "x"])
        let body = ResponseBody(transforming: inner, by: Codec(record: record))
        #expect(String(try await body.collect(upTo: 2)) == "ab")
        #expect(body.trailers == [.eTag: "x"])
        #expect(record.calls == ["released"], "at the body's end, not with the body")
    }

    @Test func stagesStack() async throws {
        try await withStand(.http1) { stand in
            var body = try await stand.get("/bytes/100000").body
            for _ in 0..<5 {
                body = ResponseBody(
                    transforming: body,
                    by: stage { $0.outputs = { [$0.prefix(7), $0.dropFirst(7)] } })
            }
            #expect(try await checkPattern(body) == 100_000)
        }
    }

    // MARK: Faults

    /// What a stage is at fault with, and when.
    enum Fault: CaseIterable {
        case atAPiece, betweenOutputs, atTheEnd
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge], Fault.allCases)
    func aStagesErrorComesAfterItsOutputAndEndsTheExchange(
        _ variant: ProtocolVariant, _ fault: Fault
    ) async throws {
        try await withStand(variant) { stand in
            let path = fault == .atTheEnd ? "/bytes/10" : "/endless"
            let response = try await stand.get(path)
            let body = ResponseBody(
                transforming: response.body,
                by: stage {
                    $0.outputs = { _ in [Bytes("one"), Bytes("two")] }
                    switch fault {
                    case .atAPiece: $0.faultAfter = 1
                    case .betweenOutputs: $0.faultAfterOutputs = 2
                    case .atTheEnd: $0.failsAtEnd = true
                    }
                    $0.tail = [Bytes("tail")]
                })
            var read: [String] = []
            let error = await transportError {
                for try await piece in body { read.append(String(piece)) }
            }
            #expect(read == ["one", "two"] + (fault == .atTheEnd ? ["tail"] : []))
            expectFault(error, response)
            for _ in 0..<2 {
                let later = await transportError {
                    _ = try await body.makeAsyncIterator().next(until: Self.never)
                }
                expectFault(later, response)
            }
            #expect(body.trailers == nil)
            #expect(!record.calls.contains("abandoned") && !record.calls.contains("trailers"))
            try await eventually("the origin is rid of it") {
                stand.server.counters.currentRequests == 0
            }
        }
    }

    private func expectFault(_ error: TransportError?, _ response: Response) {
        #expect(error?.kind == .malformed)
        #expect(error?.message == "corrupt")
        #expect(error?.replay == .responseStarted, "whatever the stage said")
        #expect(error?.route != nil)
        #expect(error?.connectionID == response.info.connectionID)
        #expect(error?.bytesReceived ?? 0 > 0)
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aReceivedErrorComesAfterTheOutput(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/truncate/1000")
            let body = ResponseBody(
                transforming: response.body, by: stage { $0.tail = [Bytes("tail")] })
            var read = 0
            let error = await transportError {
                for try await piece in body { read += piece.count }
            }
            #expect(read == 504)
            #expect(error?.kind.name == (variant.isHTTP2 ? "h2Stream" : "truncated"))
            let later = await transportError { _ = try await body.makeAsyncIterator().next() }
            #expect(later?.message == error?.message)
            #expect(record.calls.last?.hasPrefix("failed ") == true)
        }
    }

    // MARK: Deadlines

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aDeadlineIsThatOfTheReceivedBody(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/head-then-hang?bytes=10")
            let body = ResponseBody(
                transforming: response.body,
                by: stage { $0.outputs = { [$0, Bytes("second"), Bytes("third")] } })
            let pieces = body.makeAsyncIterator()
            #expect(try await pieces.next(until: Self.never) != .nothing)
            // Output that is there needs no time.
            #expect(try await pieces.next(until: Self.past) == .bytes(Bytes("second")))
            #expect(try await pieces.next(until: Self.past) == .bytes(Bytes("third")))
            for _ in 0..<3 {
                #expect(try await pieces.next(until: Self.soon) == .nothing)
            }
            #expect(record.calls == ["piece of 10"])
            body.cancel()
            #expect(record.calls == ["piece of 10", "abandoned"])
        }
    }

    /// Also a body made of a made body, whose function goes on meanwhile.
    @Test func aReadThatIsLateLeavesTheBodyAlive() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let inner = ResponseBody { () async throws(TransportError) -> Bytes? in
            for await piece in pieces { return piece }
            return nil
        }
        let body = ResponseBody(transforming: inner, by: stage())
        let events = body.makeAsyncIterator()
        for text in ["one", "two"] {
            for _ in 0..<3 {
                let found = try await events.next(until: Self.soon)
                #expect(found == .nothing)
            }
            piece.yield(Bytes(text))
            let found = try await events.next(until: Self.never)
            #expect(found == .bytes(Bytes(text)))
        }
        piece.finish()
        let end = try await events.next(until: Self.never)
        #expect(end == .end)
        #expect(record.calls == ["piece of 3", "piece of 3", "end", "trailers"])
    }

    // MARK: Abandoning

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func droppingTheBodyDropsTheReceivedOne(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            do {
                let body = ResponseBody(
                    transforming: try await stand.get("/endless").body, by: stage())
                _ = try await body.makeAsyncIterator().next()
            }
            #expect(record.calls.last == "abandoned")
            try await eventually("the origin is rid of it") {
                stand.server.counters.currentRequests == 0
            }
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge], [false, true])
    func cancellingAReadEndsTheExchange(
        _ variant: ProtocolVariant, _ hasDeadline: Bool
    ) async throws {
        try await withStand(variant) { stand in
            let inner = try await stand.get("/head-then-hang?bytes=10").body
            let body = ResponseBody(transforming: inner, by: stage())
            let pieces = body.makeAsyncIterator()
            _ = try await pieces.next()
            let task = Task {
                await transportError {
                    if hasDeadline {
                        _ = try await pieces.next(until: Self.never)
                    } else {
                        _ = try await pieces.next()
                    }
                }
            }
            task.cancel()
            let error = await task.value
            #expect(error?.kind == .cancelled)
            #expect(record.calls.last == "abandoned")
            try await eventually("no exchange is left") { stand.engine.snapshot().leased == 0 }
        }
    }

    @Test func aBodyThatIsTooLargeEndsTheExchange() async throws {
        try await withStand(.http1) { stand in
            let response = try await stand.get("/endless")
            let body = ResponseBody(transforming: response.body, by: stage())
            let error = await transportError { _ = try await body.collect(upTo: 100_000) }
            #expect(error?.kind == .tooLarge)
            #expect(error?.connectionID == response.info.connectionID)
            try await eventually("the origin is rid of it") {
                stand.server.counters.currentRequests == 0
            }
            let later = await transportError { _ = try await body.collect(upTo: 1) }
            #expect(later?.kind == .cancelled)
            #expect(record.calls.last == "abandoned")
        }
    }

    @Test func outputThatWasNotReadIsDroppedByACancellation() async throws {
        let inner = ResponseBody([Bytes("a")])
        let body = ResponseBody(
            transforming: inner, by: stage { $0.outputs = { [$0, $0, $0] } })
        #expect(try await body.makeAsyncIterator().next() == Bytes("a"))
        body.cancel()
        let error = await transportError { _ = try await body.makeAsyncIterator().next() }
        #expect(error?.kind == .cancelled)
        #expect(record.calls == ["piece of 1", "abandoned"])
        let inside = await transportError { _ = try await inner.makeAsyncIterator().next() }
        #expect(inside?.kind == .cancelled)
    }

    @Test func anAbandonedStageIsToldOnce() async throws {
        do {
            let body = ResponseBody(transforming: ResponseBody([Bytes("a")]), by: stage())
            body.cancel()
            body.cancel()
            _ = await transportError { _ = try await body.makeAsyncIterator().next() }
        }
        #expect(record.calls == ["abandoned"])
    }
}
