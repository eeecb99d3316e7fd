import Apus
import LoopFixtures
import Loopback
import Testing

/// One response's body is read by one task at a time.
@Suite(.timeLimit(.minutes(5))) struct ResponseBodyTests {
    /// What became of a read.
    private enum Outcome: Equatable {
        case bytes(String)
        case end
        case failed(TransportError.Kind)
    }

    @Test func aSecondReaderIsRefusedAndTheFirstContinues() async throws {
        let script: [ScriptedPeer.Step] =
            [
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
                .waitForSignal("go on"), .sendText("good"),
            ] + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let body = try await stand.engine.send(stand.request()).body
            try await expectOneRefusal(of: body) { stand.peer.release("go on") }
            let end = try await body.makeAsyncIterator().next()
            #expect(end == nil)
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    /// Whichever of them waits first: what it reads is not taken away by those who come after.
    @Test func ofManyReadersOneContinues() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
            .waitForSignal("go on"), .sendText("good"), .readUntilEnd,
        ]
        try await withFaultStand([script]) { stand in
            let body = try await stand.engine.send(stand.request()).body
            let outcomes = Guarded<[Outcome]>([])
            let tasks = (0..<8).map { _ in
                Task { await record(body, in: outcomes) }
            }
            try await eventually("seven are refused") { outcomes.withLock { $0.count } == 7 }
            stand.peer.release("go on")
            for task in tasks { await task.value }
            #expect(outcomes.withLock { $0.last } == .bytes("good"))
        }
    }

    @Test func aMadeBodyHasOneReaderToo() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let body = ResponseBody { () async throws(TransportError) -> Bytes? in
            for await piece in pieces { return piece }
            return nil
        }
        try await expectOneRefusal(of: body) { piece.yield(Bytes("good")) }
        piece.finish()
        let end = try await body.makeAsyncIterator().next()
        #expect(end == nil)
    }

    @Test func aTransformedBodyHasOneReaderToo() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let inner = ResponseBody { () async throws(TransportError) -> Bytes? in
            for await piece in pieces { return piece }
            return nil
        }
        let body = ResponseBody(transforming: inner, by: StageStub())
        try await expectOneRefusal(of: body) { piece.yield(Bytes("good")) }
        piece.finish()
        let end = try await body.makeAsyncIterator().next()
        #expect(end == nil)
    }

    // MARK: Cancelling

    /// A read that waits ends with `cancelled`, and so does every later one.
    @Test(arguments: ProtocolVariant.allCases, [false, true])
    func aCancelledBodyEndsItsReadAndItsExchange(
        _ variant: ProtocolVariant, _ isTransformed: Bool
    ) async throws {
        try await withStand(variant) { stand in
            var body = try await stand.get("/head-then-hang?bytes=10").body
            if isTransformed { body = ResponseBody(transforming: body, by: StageStub()) }
            let isReading = Guarded(false)
            let reader = Task { [body] in
                await transportError {
                    for try await _ in body { isReading.withLock { $0 = true } }
                }
            }
            try await eventually("the first bytes are read") { isReading.withLock { $0 } }
            body.cancel()
            body.cancel()
            let error = await reader.value
            #expect(error?.kind == .cancelled)
            #expect(error?.replay == .responseStarted)
            let later = await transportError { [body] in
                _ = try await body.makeAsyncIterator().next(until: .now)
            }
            #expect(later?.kind == .cancelled)
            #expect(body.trailers == nil)
            try await eventually("no exchange is left") { stand.engine.snapshot().leased == 0 }
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge], [false, true])
    func cancellingDiscardsWhatWasReceivedAndNotRead(
        _ variant: ProtocolVariant, _ isTransformed: Bool
    ) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/bytes/100")
            try await eventually("it is complete") { response.info.done != nil }
            let body =
                isTransformed
                ? ResponseBody(transforming: response.body, by: StageStub()) : response.body
            body.cancel()
            let error = await transportError { _ = try await body.collect(upTo: 100) }
            #expect(error?.kind == .cancelled)
            // It was received whole, so the connection goes on.
            let again = try await stand.get("/bytes/1")
            #expect(again.info.isReused)
            _ = try await again.body.collect(upTo: 1)
        }
    }

    @Test func aBodyReadToItsEndIsNotCancelled() async throws {
        try await withStand(.http1) { stand in
            let bodies = [
                try await stand.get("/trailers").body, ResponseBody([Bytes("made")]),
                ResponseBody(
                    transforming: try await stand.get("/trailers").body, by: StageStub()),
            ]
            for (index, body) in bodies.enumerated() {
                _ = try await body.collect(upTo: 1000)
                body.cancel()
                let end = try await body.makeAsyncIterator().next()
                #expect(end == nil)
                #expect((body.trailers == nil) == (index == 1))
            }
        }
    }

    @Test func cancellingAndReadingAtOnceNeverHangs() async throws {
        let kinds: [@Sendable () -> ResponseBody] = [
            { ResponseBody([Bytes("a"), Bytes("b")]) },
            {
                ResponseBody { () async throws(TransportError) -> Bytes? in
                    await Task.yield()
                    return Bytes("a")
                }
            },
        ]
        for _ in 0..<200 {
            for kind in kinds {
                for isTransformed in [false, true] {
                    let inner = kind()
                    let body =
                        isTransformed
                        ? ResponseBody(transforming: inner, by: StageStub()) : inner
                    let reader = Task { () -> TransportError? in
                        do throws(TransportError) {
                            for try await _ in body { await Task.yield() }
                            return nil
                        } catch { return error }
                    }
                    let canceller = Task { body.cancel() }
                    await canceller.value
                    let error = await reader.value
                    #expect(error == nil || error?.kind == .cancelled)
                }
            }
        }
    }

    // MARK: Collecting

    @Test(arguments: [0, 1, 2, 3])
    func aCollectedBodyIsTheSumOfItsPieces(count: Int) async throws {
        let pieces = (0..<count).map { Bytes("piece \($0)") }
        let whole = pieces.map { String($0) }.joined()
        let exact = try await ResponseBody(pieces).collect(upTo: whole.utf8.count)
        #expect(String(exact) == whole)
        guard count > 0 else { return }
        let body = ResponseBody(pieces)
        let error = await transportError { _ = try await body.collect(upTo: whole.utf8.count - 1) }
        #expect(error?.kind == .tooLarge)
        #expect(error?.replay == .responseStarted)
    }

    /// Two read; one of them is refused, and the other has what `goOn` brings.
    private func expectOneRefusal(of body: ResponseBody, goOn: () -> Void) async throws {
        let outcomes = Guarded<[Outcome]>([])
        let readers = (0..<2).map { _ in
            Task { await record(body, in: outcomes) }
        }
        try await eventually("one is refused") { outcomes.withLock { $0.count } == 1 }
        let twoReaders = InvalidRequest(field: "body", reason: "is read by two tasks at once")
        #expect(outcomes.withLock { $0 } == [.failed(.invalidRequest(twoReaders))])
        goOn()
        for reader in readers { await reader.value }
        #expect(outcomes.withLock { $0.last } == .bytes("good"))
    }

    private func record(_ body: ResponseBody, in outcomes: Guarded<[Outcome]>) async {
        let outcome: Outcome
        do throws(TransportError) {
            outcome = try await body.makeAsyncIterator().next().map { .bytes(String($0)) } ?? .end
        } catch {
            outcome = .failed(error.kind)
        }
        outcomes.withLock { $0.append(outcome) }
    }
}
