import Apus
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
