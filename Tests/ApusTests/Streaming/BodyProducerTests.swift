import Apus
import Foundation
import LoopFixtures
import Loopback
import Testing

/// What makes a request's body: how much it may say, in whose name it runs, and how it fails.
@Suite(.timeLimit(.minutes(5))) struct BodyProducerTests {
    static let ways: [ProtocolVariant] = [.http1, .http2PriorKnowledge]

    // MARK: A declared length of 0

    /// A body that says it has no bytes, and has some.
    enum Liar: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case stream, oneShot, file

        var testDescription: String { rawValue }

        var body: RequestBody {
            switch self {
            case .stream: .stream(length: 0) { Pieces([Bytes("lost")]) }
            case .oneShot: .oneShot(length: 0) { Pieces([Bytes(""), Bytes("lost")]) }
            case .file: .file(path: FixturePaths.root + "/Loopback/README.md", length: 0)
            }
        }
    }

    @Test(arguments: ways, Liar.allCases)
    func noByteIsDroppedOfABodyThatSaysItHasNone(_ variant: ProtocolVariant, _ liar: Liar)
        async throws
    {
        try await withStand(variant) { stand in
            let error = await transportError {
                let response = try await stand.client.send(
                    .post(stand.url("/sink")), body: liar.body)
                _ = try await response.body.collect(upTo: 1000)
            }
            #expect(error?.kind.name == "invalidRequest")
            #expect(error?.replay == .notSent)
            #expect(stand.server.counters.requests == 0)
            let next = try await stand.get("/")
            #expect(next.status == .ok)
        }
    }

    @Test(arguments: ways)
    func anEmptyProducerIsRunToItsEndFirst(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let (pieces, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
            let request = try HTTPRequest.post(stand.url("/headers"))
            let client = stand.client
            let answer = Task {
                try await client.send(request, body: .stream(length: 0) { pieces })
            }
            // As long as it has not ended, it may still be found to have something.
            for _ in 0..<20 { _ = try await stand.get("/").body.collect(upTo: 100) }
            #expect(stand.server.counters.requests == 20)
            producer.finish()
            let text = String(try await answer.value.body.collect(upTo: 10_000)).lowercased()
            #expect(text.contains("content-length: 0"))
        }
    }

    @Test(arguments: ["headTimeout", "totalTimeout", "cancel"])
    func theWaitForAProducerOfNothingEndsWithItsRequest(_ ending: String) async throws {
        let (pieces, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
        let (isBegun, isStopped) = (Guarded(false), Guarded(false))
        producer.onTermination = { _ in isStopped.withLock { $0 = true } }
        let engine = try TransportEngine(relaxedTuning)
        var options = RequestOptions()
        if ending == "headTimeout" { options.headTimeout = .milliseconds(20) }
        if ending == "totalTimeout" { options.totalTimeout = .milliseconds(20) }
        let request = try HTTPRequest.post("http://127.0.0.1:1/")
        let task = Task { [options] in
            await transportError {
                let body = RequestBody.oneShot(length: 0) {
                    isBegun.withLock { $0 = true }
                    return pieces
                }
                _ = try await engine.send(request, body: body, options: options)
            }
        }
        if ending == "cancel" { task.cancel() }
        let error = await task.value
        #expect(error?.kind == (ending == "cancel" ? .cancelled : .timeout))
        if ending != "cancel" {
            #expect(error?.phase == (ending == "headTimeout" ? .head : .total))
        }
        try await eventually("the producer is stopped, if it had begun") {
            isStopped.withLock { $0 } || !isBegun.withLock { $0 }
        }
        #expect(engine.snapshot().counters.dials == 0)
        await engine.shutdown()
    }

    // MARK: Its own error

    struct Broken: Error, Equatable {
        let number: Int
    }

    @Test(arguments: ways, [nil, 10, 0] as [UInt64?])
    func aProducersOwnErrorIsOfAKindOfItsOwn(_ variant: ProtocolVariant, _ length: UInt64?)
        async throws
    {
        try await withStand(variant) { stand in
            let error = await transportError {
                let body = RequestBody.stream(length: length) {
                    AsyncThrowingStream<Bytes, any Error> { continuation in
                        if length != 0 { continuation.yield(Bytes("hello")) }
                        continuation.finish(throwing: Broken(number: 7))
                    }
                }
                _ = try await stand.client.send(.post(stand.url("/sink")), body: body)
            }
            #expect(error?.kind == .producerFailed)
            #expect(error?.producerError as? Broken == Broken(number: 7))
            #expect(error?.message.contains("Broken") == true)
            let next = try await stand.get("/")
            #expect(next.status == .ok)
        }
    }

    // MARK: What it may be

    @Test(arguments: ways, [nil, 100_000] as [UInt64?])
    func aResponsesBodyIsPipedIntoARequest(_ variant: ProtocolVariant, _ length: UInt64?)
        async throws
    {
        try await withStand(variant) { stand in
            let source = try await stand.get("/bytes/100000")
            let echo = try await stand.client.send(
                .post(stand.url("/echo")), body: .oneShot(length: length) { source.body })
            #expect(try await checkPattern(echo.body) == 100_000)
        }
    }

    /// Its `Failure` is `Never`.
    @Test(arguments: ways)
    func anAsyncStreamOfBytesIsABody(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let body = RequestBody.oneShot {
                AsyncStream<Bytes> { continuation in
                    for piece in ["one ", "two"] { continuation.yield(Bytes(piece)) }
                    continuation.finish()
                }
            }
            let echo = try await stand.client.send(.post(stand.url("/echo")), body: body)
            #expect(String(try await echo.body.collect(upTo: 100)) == "one two")
        }
    }

    /// The error of one exchange, thrown as it is by the body of another, is at hand whole.
    @Test(arguments: ways)
    func aBrokenPipeReportsItsErrorAtTheOtherEnd(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let cut = TransportError(
                .truncated, phase: .body, message: "cut", replay: .responseStarted)
            let source = ResponseBody([Bytes("part")], failure: cut)
            let error = await transportError {
                _ = try await stand.client.send(
                    .post(stand.url("/echo")), body: .oneShot { source }
                ).body.collect(upTo: 100)
            }
            #expect(error?.kind == .producerFailed)
            #expect((error?.producerError as? TransportError)?.message == "cut")
        }
    }

    // MARK: In whose name it runs

    enum Trace {
        @TaskLocal static var id = "none"
    }

    /// What a producer has seen of its surroundings.
    struct Seen: Equatable {
        let trace: String
        let priority: TaskPriority
    }

    struct Witness: AsyncSequence, Sendable {
        typealias Element = Bytes
        typealias Failure = any Error
        let seen: Guarded<[Seen]>

        struct Iterator: AsyncIteratorProtocol {
            let seen: Guarded<[Seen]>
            var left = 2

            mutating func next() async throws -> Bytes? {
                seen.withLock { $0.append(Seen(trace: Trace.id, priority: Task.currentPriority)) }
                left -= 1
                return left < 0 ? nil : Bytes("piece")
            }
        }

        func makeAsyncIterator() -> Iterator { Iterator(seen: seen) }
    }

    @Test(arguments: ways, [false, true])
    func producersSeeTheCallersTaskLocalsAndPriorityOnEitherExecutor(
        _ variant: ProtocolVariant, _ isOnLoop: Bool
    ) async throws {
        try await withStand(variant) { stand in
            let (client, url) = (stand.client, stand.url("/sink"))
            let seen = Guarded<[Seen]>([])
            for round in 0..<2 {
                let executor = isOnLoop ? stand.engine.taskExecutor : nil
                let isDone = Guarded(false)
                Task(executorPreference: executor, priority: .utility) {
                    await Trace.$id.withValue("round \(round)") {
                        let response = try? await client.send(
                            .post(url), body: .stream { Witness(seen: seen) })
                        _ = try? await response?.body.collect(upTo: 1000)
                    }
                    isDone.withLock { $0 = true }
                }
                // To await the task would raise its priority.
                try await eventually("it is done") { isDone.withLock { $0 } }
            }
            let expected = (0..<6).map { Seen(trace: "round \($0 / 3)", priority: .utility) }
            #expect(seen.withLock { $0 } == expected)
        }
    }
}
