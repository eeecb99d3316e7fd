import Apus
import Glibc
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Requests that have not left when their connection takes no more of them, and what moving them
/// costs.
@Suite(.timeLimit(.minutes(5))) struct HTTP2MoveTests {
    // MARK: A cold burst and a small limit

    /// All of them are under way at the same time, which nothing but spreading brings about: none
    /// is ever answered.
    @Test(arguments: [ProtocolVariant.http2PriorKnowledge, .http2OverTLS])
    func aColdBurstOfSlowRequestsSpreadsOverAsManyConnectionsAsItNeeds(_ variant: ProtocolVariant)
        async throws
    {
        try await withStand(variant, configure: { $0.maxConcurrentStreams = 8 }) { stand in
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

    @Test func aShortRequestIsAnsweredDuringABurstThatNeedsSeveralConnections() async throws {
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

    /// The peer's limit is not known yet, and another connection may not be made.
    @Test func aRequestThatTimesOutBeforeThePeersWordNeverLeaves() async throws {
        var tuning = EngineTuning.default
        tuning.http2.maxConnectionsPerHost = 1
        let script: [ScriptedPeer.Step] = [
            .request(1), .signal("first"), .waitForSignal("go"), .send(Frames.maxStreams(1)),
            .send(Frames.answer(1)), .request(3), .send(Frames.answer(3)), .readUntilEnd,
        ]
        try await withHTTP2(script, tuning: tuning) { stand in
            let first = Task { try await stand.get() }
            #expect(await stand.signal("first"))
            var options = RequestOptions()
            options.totalTimeout = .milliseconds(50)
            for _ in 0..<3 {
                let error = await transportError {
                    _ = try await stand.client.send(
                        .post(stand.url), body: .bytes(Bytes("x")), options: options)
                }
                #expect(error?.kind == .timeout)
                #expect(error?.replay == .notSent)
            }
            stand.peer.release("go")
            let answers = [try await first.value, try await stand.get()]
            #expect(answers == ["ok", "ok"])
            #expect(stand.peer.connectionCount == 1)
            #expect(
                stand.frames().filter { $0.type == Frames.headersType }.map(\.stream) == [1, 3])
        }
    }

    /// The first request is sent with the preface; the others wait for the peer's word.
    @Test func theRestOfAColdBurstWaitsForSettingsAndNotForAnotherDial() async throws {
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

    /// The SETTINGS of a quick peer may come before the connection reads, and nothing else comes.
    @Test func theLimitOfAPeerThatIsQuickerThanTheDialIsRead() async throws {
        let script: [ScriptedPeer.Step] = [
            .send(Frames.maxStreams(100)), .request(1), .signal("first"), .request(3),
            .send(Frames.answer(3)), .send(Frames.answer(1)), .readUntilEnd,
        ]
        // On time alone nothing ends here before this.
        var options = RequestOptions()
        options.totalTimeout = .seconds(60)
        for _ in 0..<40 {
            try await withHTTP2(scripts: [script]) { [options] stand in
                let first = Task { try await stand.get(options) }
                #expect(await stand.signal("first"))
                let answers = [try await stand.get(options), try await first.value]
                #expect(answers == ["ok", "ok"])
                #expect(stand.peer.connectionCount == 1)
            }
        }
    }

    @Test func aPeerThatNeverSaysItsLimitIsDialledBeside() async throws {
        var tuning = EngineTuning.default
        tuning.http2.suspectAfter = .milliseconds(50)
        // On time alone nothing ends here before this.
        var options = RequestOptions()
        options.totalTimeout = .seconds(60)
        try await withHTTP2(
            [.request(1), .silence], .wellBehaved(3), tuning: tuning
        ) { [options] stand in
            let first = Task { try await stand.get() }
            try await eventually("it is under way") { stand.peer.transcript(0).steps == 1 }
            let others = (0..<3).map { _ in Task { try await stand.get(options) } }
            for task in others { #expect(try await task.value == "ok") }
            #expect(stand.peer.connectionCount == 2)
            first.cancel()
            _ = await first.result
        }
    }

    /// With a full socket nothing is sent, and the limit arrives first.
    @Test func unsentRequestsMoveWhenTheLimitIsLowered() async throws {
        let large = Bytes([UInt8](repeating: 0x61, count: 32 << 20))
        let wide = Frames.settings([(4, 1 << 30)]) + Frames.windowUpdate(0, 1 << 30)
        var tuning = EngineTuning.default
        tuning.dial.userTimeout = nil
        tuning.limits.replays = 0
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

    /// The loop does nothing until `goesOn`: what others hand over to it waits.
    private func blockLoop(
        _ stand: HTTP2Stand, until goesOn: Shared<Bool>
    ) async throws -> Task<Void, Never> {
        let isBlocked = Shared(false)
        let task = Task(executorPreference: stand.engine.taskExecutor) {
            isBlocked.change { $0 = true }
            while !goesOn.value { usleep(1_000) }
        }
        try await eventually("the loop is blocked") { isBlocked.value }
        return task
    }

    /// The limit is read between the lease and the loop's turn in which the request begins.
    @Test func aRequestForWhichThereIsNoRoomWhenItBeginsMoves() async throws {
        var tuning = EngineTuning.default
        tuning.eventLoops = 1
        tuning.limits.replays = 0
        var options = RequestOptions()
        // On time alone nothing ends here before this.
        options.totalTimeout = .seconds(60)
        let script: [ScriptedPeer.Step] =
            .http2(Frames.answer(1), settings: Frames.maxStreams(100))
            + [
                .request(3), .signal("first"), .waitForSignal("lower"),
                .send(Frames.maxStreams(1)), .signal("lowered"), .waitForSignal("end"),
                .send(Frames.answer(3)), .readUntilEnd,
            ]
        try await withHTTP2(script, .wellBehaved(), tuning: tuning) { [options] stand in
            try await stand.works()
            let first = Task { try await stand.get(options) }
            #expect(await stand.signal("first"))
            let goesOn = Shared(false)
            defer { goesOn.change { $0 = true } }
            let block = try await blockLoop(stand, until: goesOn)
            stand.peer.release("lower")
            #expect(await stand.signal("lowered"))
            let second = Task { try await stand.get(options) }
            try await eventually("it has its lease") { stand.story.starts == 3 }
            goesOn.change { $0 = true }
            await block.value
            #expect(try await second.value == "ok")
            #expect(stand.peer.connectionCount == 2)
            #expect(stand.story.replays.map(\.replay) == [.notSent])
            stand.peer.release("end")
            #expect(try await first.value == "ok")
            #expect(
                stand.frames().filter { $0.type == Frames.headersType }.map(\.stream) == [1, 3])
        }
    }

    /// A turn that is cut short flushes nothing, and the cut comes before its rest.
    @Test func aRequestThatHasNotLeftWhenItsConnectionIsCutNeverLeaves() async throws {
        var tuning = EngineTuning.default
        tuning.eventLoops = 1
        let script: [ScriptedPeer.Step] =
            .http2(Frames.answer(1), settings: Frames.maxStreams(100)) + [.readUntilEnd]
        try await withHTTP2(script, tuning: tuning) { stand in
            try await stand.works()
            let goesOn = Shared(false)
            defer { goesOn.change { $0 = true } }
            let block = try await blockLoop(stand, until: goesOn)
            let request = Task { try await stand.post(.bytes(Bytes("x"))) }
            try await eventually("it has its lease") { stand.story.starts == 2 }
            let end = Task { await stand.engine.shutdown() }
            try await Task.sleep(for: .milliseconds(100))
            let rest = (0..<200).map { _ in
                Task(executorPreference: stand.engine.taskExecutor) { _ = usleep(1_000) }
            }
            goesOn.change { $0 = true }
            await block.value
            let error = await transportError { _ = try await request.value }
            #expect(error?.replay == .notSent)
            for task in rest { await task.value }
            _ = await end.value
            #expect(stand.peer.waitUntilClosed(connection: 0))
            #expect(stand.frames().filter { $0.type == Frames.headersType }.map(\.stream) == [1])
        }
    }

    // MARK: What a move costs

    @Test func requestsThatArePutOffShareTheNextConnection() async throws {
        try await withStand(.http2PriorKnowledge) { stand in
            let workers = (0..<50).map { _ in
                Task {
                    for _ in 0..<20 {
                        let error = await transportError { _ = try await stand.get("/reset/7") }
                        #expect([.notSent, .refusedByPeer].contains(error?.replay))
                    }
                }
            }
            for task in workers { await task.value }
            let counters = stand.engine.snapshot().counters
            #expect(counters.closes(.evicted) == 0)
            // Two refusals in a row cost a connection. With a dial for each request that is put off
            // by that, there were 700 and more.
            #expect(stand.server.counters.connectionsAccepted < 500)
        }
    }

    /// The caller is the loop's own, and keeps it from hearing of the reset before it sends.
    @Test(arguments: [true, false])
    func aRequestOfWhichNoByteLeftMovesWithoutAReplay(_ isHTTP2: Bool) async throws {
        var tuning = EngineTuning.default
        tuning.limits.replays = 0
        let plain: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ]
        let first =
            (isHTTP2 ? .wellBehaved().dropLast() : plain) + [.waitForSignal("go"), .reset]
        let second = isHTTP2 ? .wellBehaved() : plain + [.readUntilEnd]
        try await withHTTP2(first, second, tuning: tuning) { stand in
            let versions: HTTPVersionPolicy = isHTTP2 ? .http2Only : .http1Only(alpn: .http1)
            let client = ExecutorClient(stand.engine, versions: versions)
            let url = stand.url
            try await Task(executorPreference: stand.engine.taskExecutor) {
                #expect(try await text(of: client.send(.get(url))) == "ok")
                stand.peer.release("go")
                #expect(stand.peer.waitUntilClosed(connection: 0))
                let answer = try await client.send(.post(url), body: .bytes(Bytes("x")))
                #expect(try await text(of: answer) == "ok")
            }.value
            #expect(stand.peer.connectionCount == 2)
            #expect(stand.story.replays.map(\.replay) == [.notSent])
        }
    }

    @Test func thePauseBetweenDialsBeginsAfterTheSecondMoveInVain() async throws {
        var tuning = EngineTuning.default
        tuning.pool.dialBackoff = .seconds(600)
        tuning.pool.maxDialBackoff = .seconds(600)
        let draining = .http2(Frames.goAway(0)) + [ScriptedPeer.Step.readUntilEnd]
        try await withHTTP2(
            scripts: Array(repeating: draining, count: 30), tuning: tuning
        ) { stand in
            let request = Task { try await stand.get() }
            try await eventually("it has moved") { stand.story.replays.count >= 2 }
            try await eventually("the third connection is over") {
                stand.story.replays.count >= 3 && stand.engine.snapshot().connections == 0
            }
            request.cancel()
            let error = await transportError { _ = try await request.value }
            #expect(error?.kind == .cancelled)
            #expect(stand.peer.connectionCount == 3)
        }
    }

    // MARK: Silent ends

    private static let endings: [ScriptedPeer.Step] = [.halfClose, .reset]

    @Test(arguments: endings.indices, [true, false])
    func anIdempotentRequestIsReplayedWhenAReusedConnectionEndsSilently(
        _ ending: Int, _ isTunnel: Bool
    ) async throws {
        let tunnel: [ScriptedPeer.Step] =
            isTunnel ? [.expectHead, .sendText("HTTP/1.1 200 OK\r\n\r\n")] : []
        let scripts: [[ScriptedPeer.Step]] = [
            tunnel + .wellBehaved().dropLast()
                + [.request(3), Self.endings[ending], .readUntilEnd],
            tunnel + .wellBehaved().dropLast()
                + [.request(3), Self.endings[ending], .readUntilEnd],
        ]
        try await withHTTP2(scripts: scripts) { stand in
            var options = RequestOptions()
            if isTunnel {
                options.proxy = try ProxySetting(parsing: "http://127.0.0.1:\(stand.peer.port)")
            }
            #expect(try await stand.get(options) == "ok")
            #expect(try await stand.get(options) == "ok")
            #expect(stand.peer.connectionCount == 2)
            #expect(stand.story.replays.map(\.replay) == [.unknown])
            // What may have been acted on is not sent twice.
            let error = await transportError {
                _ = try await stand.client.send(
                    .post(stand.url), body: .bytes(Bytes("x")), options: options)
            }
            #expect(error?.replay == .unknown)
            #expect(error?.isReused == true)
            #expect(stand.peer.connectionCount == 2)
        }
    }

    /// The GOAWAY comes with the proxy's answer, so that it is read as soon as the connection is
    /// made.
    @Test func aConnectionThatEndsBeforeItsFirstRequestMovesAllWhoWaitedForIt() async throws {
        let greeting: [ScriptedPeer.Step] = [.expectBytes(3), .send([5, 0]), .expectBytes(10)]
        let success: [UInt8] = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80]
        let ending = success + Frames.settings() + Frames.goAway(0)
        try await withHTTP2(
            greeting + [.send(ending), .readUntilEnd],
            greeting + [.send(success)] + .wellBehaved(3)
        ) { stand in
            var options = RequestOptions()
            options.proxy = try ProxySetting(parsing: "socks5h://127.0.0.1:\(stand.peer.port)")
            let posts = (0..<3).map { _ in
                Task { [options] in
                    let response = try await stand.client.send(
                        .post(stand.url), body: .bytes(Bytes("x")), options: options)
                    return try await text(of: response)
                }
            }
            for post in posts { #expect(try await post.value == "ok") }
            #expect(stand.peer.connectionCount == 2)
            #expect(stand.engine.snapshot().counters.dialFailures == 0)
            #expect(stand.story.closes.first == .goAway)
        }
    }
}
