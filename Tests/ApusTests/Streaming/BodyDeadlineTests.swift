import Apus
import ApusConnection
import ApusDial
import LoopFixtures
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// A read that waits until a deadline: what comes later stays, and the body lives on.
@Suite(.timeLimit(.minutes(5))) struct BodyDeadlineTests {
    /// So far away that only what is awaited ends the read.
    private static var never: ContinuousClock.Instant { .now + .seconds(3600) }
    private static var soon: ContinuousClock.Instant { .now + .milliseconds(5) }

    @Test(arguments: [false, true])
    func aReadThatIsLateLeavesTheBodyAlive(isOnLoop: Bool) async throws {
        let script: [ScriptedPeer.Step] =
            [
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
                .waitForSignal("go on"), .sendText("good"),
            ] + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let executor = isOnLoop ? stand.engine.taskExecutor : nil
            let request = try stand.request()
            let (engine, peer) = (stand.engine, stand.peer)
            let task = Task(executorPreference: executor) {
                let events = try await engine.send(request).body.makeAsyncIterator()
                try await Self.expectLateReads(of: events) { peer.release("go on") }
            }
            try await task.value
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test func aReadThatIsLateLeavesTheStreamAlive() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1), .send(Frames.head(1)),
                .waitForSignal("go on"), .send(Frames.data(1, Array("good".utf8), end: true)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let events = try await stand.client.send(.get(stand.url)).body.makeAsyncIterator()
            try await Self.expectLateReads(of: events) { stand.peer.release("go on") }
            try await stand.works()
        }
    }

    /// Whatever comes around a deadline is given once: by this read or by the next.
    @Test(arguments: ProtocolVariant.allCases, [false, true])
    func everyPieceIsGivenOnceHoweverShortTheReadsAre(
        _ variant: ProtocolVariant, _ isOnLoop: Bool
    ) async throws {
        try await withStand(variant) { stand in
            let executor = isOnLoop ? stand.engine.taskExecutor : nil
            let (client, url) = (stand.client, stand.url("/bytes/1000000"))
            let task = Task(executorPreference: executor) {
                let response = try await client.send(.get(url))
                let pieces = response.body.makeAsyncIterator()
                let turn = Guarded(0)
                // The outer body is read by those who know the origin's pattern.
                let body = ResponseBody { () async throws(TransportError) -> Bytes? in
                    while true {
                        let wait = turn.withLock { turn in
                            turn += 1
                            return turn % 7 * 100
                        }
                        let deadline = ContinuousClock.now + .microseconds(wait)
                        switch try await pieces.next(until: deadline) {
                        case .bytes(let bytes): return bytes
                        case .end: return nil
                        case .nothing: await Task.yield()
                        }
                    }
                }
                return try await checkPattern(body)
            }
            let count = try await task.value
            #expect(count == 1_000_000)
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aDeadlineThatIsOverTakesWhatIsThere(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let body = try await stand.get("/bytes/100").body
            let pieces = body.makeAsyncIterator()
            var count = 0
            while true {
                switch try await pieces.next(until: .now - .seconds(1)) {
                case .bytes(let bytes): count += bytes.count
                case .nothing: await Task.yield()
                case .end:
                    #expect(count == 100)
                    return
                }
            }
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func cancellingAReadWithADeadlineEndsTheExchange(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let url = stand.url("/endless")
            let client = stand.client
            let task = Task {
                await transportError {
                    let events = try await client.send(.get(url)).body.makeAsyncIterator()
                    while true { _ = try await events.next(until: Self.never) }
                }
            }
            try await eventually("it is sent") { stand.server.counters.currentRequests == 1 }
            task.cancel()
            let error = await task.value
            #expect(error?.kind == .cancelled)
            try await eventually("the origin is rid of it") {
                stand.server.counters.currentRequests == 0
            }
        }
    }

    private static func expectLateReads(
        of events: ResponseBody.Iterator, goOn: () -> Void
    ) async throws {
        for _ in 0..<3 {
            let found = try await events.next(until: soon)
            #expect(found == .nothing)
        }
        // The timer that is set for a later instant does not hold up an earlier one.
        let later = Task {
            while true {
                do throws(TransportError) {
                    return try await events.next(until: never)
                } catch {
                    // The other one was there first, and will not be for long.
                    guard error.kind.name == "invalidRequest" else { throw error }
                    await Task.yield()
                }
            }
        }
        let refused = await transportError {
            while true {
                guard try await events.next(until: soon) == .nothing else { return }
                await Task.yield()
            }
        }
        #expect(refused?.kind.name == "invalidRequest")
        goOn()
        let good = try await later.value
        #expect(good == .bytes(Bytes("good")))
        let end = try await events.next(until: never)
        #expect(end == .end)
        let again = try await events.next(until: never)
        #expect(again == .end)
    }
}
