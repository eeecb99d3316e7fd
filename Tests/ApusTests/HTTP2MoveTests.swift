import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Requests that have not left when their connection takes no more of them, and what moving them
/// costs.
@Suite(.timeLimit(.minutes(5))) struct HTTP2MoveTests {
    // MARK: A cold burst and a small limit

    /// All of them are under way at the same time, which nothing but spreading brings about: none
    /// is ever answered.
    @Test(arguments: [Way.http2PriorKnowledge, .http2OverTLS])
    func aColdBurstOfSlowRequestsSpreadsOverAsManyConnectionsAsItNeeds(_ way: Way) async throws {
        try await withStand(way, configure: { $0.maxConcurrentStreams = 8 }) { stand in
            let burst = (0..<60).map { _ in Task { _ = try await stand.get("/hang") } }
            try await eventually("all are under way", within: .seconds(60)) {
                stand.server.counters.requests == 60
            }
            #expect(stand.server.counters.connectionsAccepted == 8)
            #expect(stand.server.counters.peakStreams == 8)
            #expect(stand.engine.snapshot().counters.replays == 0)
            for task in burst { task.cancel() }
            for task in burst { _ = await task.result }
        }
    }

    @Test func aShortRequestIsAnsweredBesideMoreColdStreamsThanOneConnectionTakes() async throws {
        try await withStand(.http2PriorKnowledge, configure: { $0.maxConcurrentStreams = 8 }) {
            stand in
            let streams = (0..<20).map { _ in Task { _ = try await stand.get("/hang") } }
            var options = RequestOptions()
            options.totalTimeout = .seconds(60)
            let response = try await stand.client.send(.get(stand.url("/")), options: options)
            #expect(try await text(of: response) == "hello\n")
            for task in streams { task.cancel() }
            for task in streams { _ = await task.result }
        }
    }

    @Test func aRequestThatTimesOutInAColdBurstNeverLeaves() async throws {
        var tuning = EngineTuning.executor
        tuning.http2.maxConnectionsPerHost = 1
        try await withStand(
            .http2PriorKnowledge, tuning: tuning, configure: { $0.maxConcurrentStreams = 8 }
        ) { stand in
            let running = (0..<8).map { _ in Task { _ = try await stand.get("/hang") } }
            try await eventually("they are under way") { stand.server.counters.requests == 8 }
            var options = RequestOptions()
            options.totalTimeout = .milliseconds(50)
            for _ in 0..<12 {
                let error = await transportError {
                    _ = try await stand.client.send(
                        .post(stand.url("/hang")), body: .bytes(Bytes("x")), options: options)
                }
                #expect(error?.kind == .timeout)
                #expect(error?.replay == .notSent)
            }
            for task in running { task.cancel() }
            for task in running { _ = await task.result }
            let response = try await stand.get("/")
            #expect(try await text(of: response) == "hello\n")
            #expect(stand.server.counters.requests == 9)
        }
    }

    /// The first request is sent with the preface; the others wait for the peer's word.
    @Test func theRestOfAColdBurstWaitsForThePeersWordAndNotForAnotherDial() async throws {
        let streams = (0..<20).map { Int32($0 * 2 + 1) }
        let script: [ScriptedPeer.Step] =
            [.request(1), .signal("first"), .waitForSignal("go"), .send(Frames.maxStreams(100))]
            + streams.flatMap { [.request($0), .send(Frames.answer($0))] }.dropFirst()
            + [.readUntilEnd]
        try await withHTTP2(scripts: [script]) { stand in
            let burst = (0..<20).map { _ in Task { try await stand.get() } }
            #expect(await stand.signal("first"))
            try await eventually("the others wait") { stand.engine.snapshot().waiting == 19 }
            #expect(stand.frames().count { $0.type == Frames.headersType } == 1)
            #expect(stand.engine.snapshot().connections == 1)
            stand.peer.release("go")
            for task in burst { #expect(try await task.value == "ok") }
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test func aPeerThatNeverSaysItsLimitIsDialledBeside() async throws {
        var tuning = EngineTuning.default
        tuning.http2.suspectAfter = .milliseconds(50)
        try await withHTTP2([.request(1), .silence], .wellBehaved(3), tuning: tuning) { stand in
            let first = Task { try await stand.get() }
            try await eventually("it is under way") { stand.peer.transcript(0).steps == 1 }
            let others = (0..<3).map { _ in Task { try await stand.get() } }
            for task in others { #expect(try await task.value == "ok") }
            #expect(stand.peer.connectionCount == 2)
            first.cancel()
            _ = await first.result
        }
    }

    /// Behind a full socket nothing leaves, and the limit comes before it does.
    @Test func whatHasNotLeftWhenTheLimitIsLoweredMovesToAnotherConnection() async throws {
        let large = Bytes([UInt8](repeating: 0x61, count: 32 << 20))
        let wide = Frames.settings([(4, 1 << 30)]) + Frames.windowUpdate(0, 1 << 30)
        var tuning = EngineTuning.default
        tuning.dial.userTimeout = nil
        try await withHTTP2(
            [
                .send(wide), .request(1), .waitForSignal("lower"), .send(Frames.maxStreams(1)),
                .waitForSignal("read"), .expectData(1, large.count), .send(Frames.answer(1)),
            ] + [.readUntilEnd], .wellBehaved(2), tuning: tuning
        ) { stand in
            async let upload = stand.post(.bytes(large))
            try await eventually("the upload is under way") {
                stand.peer.transcript(0).steps == 2
            }
            try await fillSocket(connectedTo: stand.peer.port)
            async let moved = stand.post(.bytes(Bytes("x")))
            try await eventually("it is on its connection") { stand.story.starts == 2 }
            await stand.turnOfLoop()
            stand.peer.release("lower")
            #expect(try await moved == "ok")
            #expect(stand.peer.connectionCount == 2)
            #expect(stand.story.replays.map(\.replay) == [.notSent])
            stand.peer.release("read")
            #expect(try await upload == "ok")
            let requests = stand.frames().filter { $0.type == Frames.headersType }
            #expect(requests.map(\.stream) == [1])
        }
    }
}
