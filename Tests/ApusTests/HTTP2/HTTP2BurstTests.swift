import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Many requests at once: over connections that carry few each, and over a peer's stream limit.
@Suite(.timeLimit(.minutes(5))) struct HTTP2BurstTests {
    @Test func goAwaysInABurstFailNothingAndDoubleNothing() async throws {
        // Each connection processes exactly 50 requests and then says so; what else had come is
        // unprocessed.
        let streams = (0..<50).map { Int32($0 * 2 + 1) }
        let script =
            [.send(Frames.settings())]
            + streams.flatMap { [.request($0), .signal("some"), .send(Frames.answer($0))] }
            + [ScriptedPeer.Step.send(Frames.goAway(99)), .readUntilEnd]
        let scripts = [[ScriptedPeer.Step]](repeating: script, count: 40)
        try await withHTTP2(scripts: scripts) { stand in
            let answered = await burst(500) { _ = try await stand.post(.bytes(Bytes("x"))) }
            #expect(answered == 500)
            // Steps: SETTINGS, then three for each request that was processed.
            // The last is counted a little after its answer has left.
            try await eventually("all are counted") {
                let processed = (0..<stand.peer.connectionCount).reduce(0) {
                    $0 + min(50, (stand.peer.transcript($1).steps - 1) / 3)
                }
                return processed == 500
            }
            #expect(stand.story.replays.allSatisfy { $0.replay != .unknown })
        }
    }

    @Test func aStreamLimitSpreadsABurstOverFewConnections() async throws {
        try await withStand(.http2PriorKnowledge, configure: { $0.maxConcurrentStreams = 10 }) {
            stand in
            // Slow answers: quick ones let few connections do, however badly they are shared.
            let answered = await burst(100) {
                let response = try await stand.get("/delay/1000")
                _ = try await response.body.collect(upTo: 100)
            }
            #expect(answered == 100)
            let counters = stand.server.counters
            #expect((2...8).contains(counters.peakConnections))
            #expect(stand.engine.snapshot().counters.replays == 0)
            #expect(counters.peakStreams <= 10)
            #expect(counters.requests == 100)
        }
    }

    @Test func aLimitOfNoStreamsInABurstIsWaitedFor() async throws {
        var tuning = EngineTuning.default
        tuning.http2.maxConnectionsPerHost = 1
        let streams = (2..<20).map { Int32($0 * 2 + 1) }
        var script: [ScriptedPeer.Step] = [.send(Frames.maxStreams(5))] + .answering(1, 3)
        // None for a moment, amid those under way.
        script += [
            .send(Frames.maxStreams(0)), .signal("none"), .waitForSignal("raise"),
            .send(Frames.maxStreams(100)),
        ]
        script += streams.flatMap { [.request($0), .send(Frames.answer($0))] } + [.readUntilEnd]
        try await withHTTP2(scripts: [script], tuning: tuning) { stand in
            async let answered = burst(20) { _ = try await stand.get() }
            #expect(await stand.signal("none"))
            stand.peer.release("raise")
            #expect(await answered == 20)
            #expect(stand.peer.connectionCount == 1)
        }
    }

    /// Preface, SETTINGS and the first request are one write, wherever the caller's task runs.
    @Test(arguments: [true, false])
    func theFirstRequestLeavesInTheFirstFlight(_ isOnLoop: Bool) async throws {
        // From another thread the request may be too late on a busy machine, but not each time.
        var isWhole = false
        for _ in 0..<(isOnLoop ? 1 : 50) where !isWhole {
            isWhole = try await sendsAtOnce(isOnLoop: isOnLoop)
        }
        #expect(isWhole)
    }

    /// Whether the peer's first read, of one segment, holds all three frames of a first flight.
    private func sendsAtOnce(isOnLoop: Bool) async throws -> Bool {
        var isWhole = false
        try await withHTTP2(
            [
                // One read, and nothing is read before what came is looked at.
                .expect { $0.isEmpty ? nil : $0.count }, .signal("first"), .waitForSignal("go"),
                .send(Frames.settings() + Frames.answer(1)), .readUntilEnd,
            ]
        ) { stand in
            let executor = isOnLoop ? stand.engine.taskExecutor : nil
            let task = Task(executorPreference: executor) { try await stand.get() }
            #expect(await stand.signal("first"))
            #expect(stand.peer.transcript(0).received.starts(with: Frames.preface))
            let types = stand.frames().map(\.type)
            #expect(types.first == Frames.settingsType)
            isWhole =
                types.count == 3 && types.last == Frames.headersType
                && dataSegmentsSent(to: stand.peer.port) == 1
            // A request that came later must be there before it is answered.
            try await eventually("the request has left") {
                isWhole || dataSegmentsSent(to: stand.peer.port) > 1
            }
            stand.peer.release("go")
            let answer = try await task.value
            #expect(answer == "ok")
        }
        return isWhole
    }

    @Test func aConnectionThatNoRequestWaitsForOpensByItself() async throws {
        try await withHTTP2(
            [
                .expectFrame(Frames.settingsType), .signal("opened"),
                .send(Frames.settings()),
            ] + .answering(1) + [.readUntilEnd]
        ) { stand in
            var options = RequestOptions()
            options.versions = .http2Only
            try stand.engine.prewarm(stand.url, options: options)
            #expect(await stand.signal("opened"))
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    /// What many requests of one tick cost: one write of the connection, so one segment.
    @Test(arguments: [ProtocolVariant.http2PriorKnowledge, .http2OverTLS])
    func allThatATickProducesLeavesAtOnce(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            // Our acknowledgement of its SETTINGS has left with the second request at the latest.
            for _ in 0..<2 {
                let response = try await stand.get("/")
                _ = try await response.body.collect(upTo: 100)
            }
            let client = stand.client
            let url = stand.url("/")
            let before = dataSegmentsSent(to: stand.server.port)
            // On the loop, all of these begin in one tick.
            let answered = await Task(executorPreference: stand.engine.taskExecutor) {
                await withTaskGroup(of: Bool.self) { group in
                    for _ in 0..<64 {
                        group.addTask {
                            guard let response = try? await client.send(.get(url)) else {
                                return false
                            }
                            return (try? await response.body.collect(upTo: 100)) != nil
                        }
                    }
                    return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
            }.value
            #expect(answered == 64)
            #expect(stand.server.counters.connectionsAccepted == 1)
            let sent = dataSegmentsSent(to: stand.server.port) - before
            #expect(sent == 1)
        }
    }

    /// How many of so many operations, all at once, went well; each failure is an issue.
    private func burst(
        _ count: Int, _ operation: @escaping @Sendable () async throws -> Void
    ) async -> Int {
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<count {
                group.addTask {
                    do {
                        try await operation()
                        return true
                    } catch {
                        Issue.record(error)
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
    }
}
