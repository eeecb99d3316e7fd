import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames
private typealias Step = ScriptedPeer.Step

/// PINGs that are too many or too few for their way, or never answered: incidents A9, A13, C2, C3.
@Suite(.timeLimit(.minutes(5))) struct SilenceIncidentTests {
    private static let calm = Frames.goAway(1, 11, "too_many_pings")

    /// A response that has begun on stream 1.
    private static let begun: [Step] = [
        .send(Frames.settings()), .request(1), .send(Frames.head(1)),
    ]

    /// The same, after the first PING too, which a slow start may bring before the request.
    private static let asked: [Step] = [
        .send(Frames.settings()), .requestAndPing, .send(Frames.head(1)),
    ]

    private static let end = Step.send(Frames.data(1, [0x31], end: true))

    private static func tuning(pingAfter: Duration) -> EngineTuning {
        var tuning = relaxedTuning
        tuning.http2.pingAfter = pingAfter
        tuning.pool.dialBackoff = .milliseconds(1)
        return tuning
    }

    /// What a response fails with after its head.
    private func failure(_ stand: HTTP2Stand) async -> TransportError? {
        await transportError {
            _ = try await text(of: stand.client.send(.get(stand.url)))
        }
    }

    @Test("A9: a peer that gets too many PINGs gets half as many on the next connection")
    func tooManyPings() async throws {
        let complains =
            Self.asked + [
                .pong, .expectPing(2), .send(Self.calm), .close,
            ]
        let accepts = Self.asked + [.pong, Self.end, .readUntilEnd]
        let tuning = Self.tuning(pingAfter: .milliseconds(200))
        try await withHTTP2(complains, complains, accepts, tuning: tuning) { stand in
            for interval in ["400 ms", "800 ms"] {
                let error = await failure(stand)
                guard case .h2GoAway(code: 11, _, "too_many_pings") = error?.kind else {
                    Issue.record("another error: \(String(describing: error))")
                    return
                }
                #expect(error?.replay == .responseStarted)
                #expect("\(String(describing: error))".contains("too_many_pings: \(interval) betw"))
            }
            let learned = try #require(stand.engine.snapshot().learnedWays.first)
            #expect(learned.pingAfterSeconds == 0.8 && learned.pingComplaints == 2)
            #expect(learned.route == "http://127.0.0.1:\(stand.peer.port)")
            // The next connection lives, and its PING comes no earlier than that.
            let start = ContinuousClock.now
            let response = try await stand.client.send(.get(stand.url))
            #expect(try await text(of: response) == "1")
            #expect(start.duration(to: .now) >= .milliseconds(800))
            stand.engine.drain { _ in true }
            #expect(stand.engine.snapshot().learnedWays.isEmpty)
        }
    }

    @Test("A9: another text, and a peer of which nothing is learned, change no PINGs")
    func whatIsNoComplaintOfPings() async throws {
        let other =
            Self.asked + [
                .send(Frames.goAway(1, 11, "too_many_pings?")), .close,
            ]
        try await withHTTP2(other, tuning: Self.tuning(pingAfter: .milliseconds(20))) { stand in
            #expect(await failure(stand)?.connectionEnd?.nextPingAfter == nil)
            #expect(stand.engine.snapshot().learnedWays.isEmpty)
        }
        let complains = Self.asked + [.send(Self.calm), .close]
        var tuning = Self.tuning(pingAfter: .milliseconds(20))
        tuning.http2.learnsPings = false
        try await withHTTP2(complains, tuning: tuning) { stand in
            let error = await failure(stand)
            #expect(error?.connectionEnd != nil && error?.connectionEnd?.nextPingAfter == nil)
            #expect(stand.engine.snapshot().learnedWays.isEmpty)
        }
    }

    // MARK: Silence

    /// A connection that is ended after two seconds in which nothing came.
    private static func cutting(_ steps: [Step]) -> [Step] {
        [.endAfterSilence(.seconds(2))] + steps
    }

    @Test("C2: a way that cuts silent connections gets PINGs before that")
    func aWayThatCutsSilentConnections() async throws {
        let script = Self.cutting(
            Self.begun + [.expectPing(1), .pong, Self.end, .readUntilEnd])
        let scripts = [[Step]](repeating: script, count: 20)
        try await withHTTP2(
            scripts: scripts, tuning: Self.tuning(pingAfter: .seconds(600))
        ) { stand in
            var errors: [TransportError] = []
            // A machine under load may need more than two.
            while stand.engine.snapshot().learnedWays.isEmpty, errors.count < 10 {
                errors.append(try #require(await failure(stand)))
            }
            #expect(errors.count >= 2)
            let end = try #require(errors.last?.connectionEnd)
            #expect([.fin, .reset].contains(end.sign) && end.silenceLimitSeen == 2)
            #expect(try #require(end.silenceLimit) >= .seconds(1.9))
            #expect(errors.first?.connectionEnd?.silenceLimit == nil)
            let line = "\(try #require(errors.last))"
            #expect(line.contains("this way ends silent connections after "))
            #expect(line.contains(" s (seen 2 times)"))
            let learned = try #require(stand.engine.snapshot().learnedWays.first)
            #expect(learned.silenceLimitSeen == 2 && learned.pingComplaints == 0)
            #expect(try #require(learned.pingAfterSeconds) < 600)
            // The next one lives; on a machine under load, one of the next.
            var answer: String?
            while answer == nil, stand.peer.connectionCount < 20 {
                answer = try? await text(of: stand.client.send(.get(stand.url)))
            }
            #expect(answer == "1")
        }
    }

    @Test("C2: on HTTP/1.1 the limit is learned too, and the error names it")
    func aWayThatCutsSilentConnectionsOfHTTP1() async throws {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
        let peer = try ScriptedPeer(
            everyConnection: Self.cutting([.expectHead, .sendText(half), .expectHead]))
        defer { peer.stop() }
        let engine = try TransportEngine(Self.tuning(pingAfter: .seconds(600)))
        var ends: [ConnectionEnd] = []
        while engine.snapshot().learnedWays.isEmpty, ends.count < 10 {
            let error = await transportError {
                _ = try await text(of: engine.send(.get("http://127.0.0.1:\(peer.port)/")))
            }
            ends.append(try #require(error?.connectionEnd))
        }
        #expect(ends.count >= 2 && ends.first?.silenceLimit == nil)
        #expect(ends.last?.silenceLimitSeen == 2)
        await engine.shutdown()
    }

    @Test("C3: a silence that answered PINGs have outlived is no limit of the way")
    func aSilenceThatWasOutlivedBefore() async throws {
        // Each cut comes after as long a silence as the PINGs had ended before.
        let script =
            Self.asked + [.pong, .expectPing(2), .pong, .pause(.seconds(1.2))]
        var tuning = Self.tuning(pingAfter: .seconds(1.5))
        tuning.http2.deadAfter = .seconds(600)
        let scripts = [[Step]](repeating: script, count: 2)
        try await withHTTP2(scripts: scripts, tuning: tuning) { stand in
            for _ in 0..<2 {
                let end = try #require(await failure(stand)?.connectionEnd)
                #expect(end.pingsAnswered == 2 && end.silenceLimit == nil)
            }
            let learned = try #require(stand.engine.snapshot().learnedWays.first)
            #expect(learned.silenceLimitSeconds == nil && learned.pingTimeSeconds != nil)
        }
    }

    // MARK: Life

    private static var strict: EngineTuning {
        var tuning = tuning(pingAfter: .milliseconds(50))
        tuning.http2.suspectAfter = .milliseconds(50)
        tuning.http2.deadAfter = .milliseconds(200)
        return tuning
    }

    @Test("A13: a peer that never acknowledges a PING keeps its quiet stream")
    func aPeerThatAcknowledgesNoPing() async throws {
        let script =
            Self.asked + [
                .send(Frames.data(1, [0x30])), .signal("sent"),
                .waitForSignal("suspected"), .pause(.seconds(1)), Self.end, .readUntilEnd,
            ]
        try await withHTTP2(script, tuning: Self.strict) { stand in
            let response = try await stand.client.send(.get(stand.url))
            #expect(await stand.signal("sent"))
            try await eventually("the peer is suspected") {
                stand.engine.snapshot().connectionEntries.first?.state == .suspect
            }
            stand.peer.release("suspected")
            #expect(try await text(of: response) == "01")
            #expect(stand.story.closes.isEmpty)
            #expect(stand.engine.snapshot().learnedWays.isEmpty)
        }
    }

    @Test("A13: where the way's PINGs are answered, one that is not ends the connection")
    func aWayWhosePingsAreAnswered() async throws {
        let answers = Self.asked + [.pong, Self.end, .close]
        let silent = Self.begun + [.silence]
        var tuning = Self.strict
        tuning.http2.deadAfter = .seconds(1)
        try await withHTTP2(answers, silent, tuning: tuning) { stand in
            let first = try await stand.client.send(.get(stand.url))
            #expect(try await text(of: first) == "1")
            try await stand.settles(connections: 0)
            let learned = try #require(stand.engine.snapshot().learnedWays.first)
            #expect(learned.pingTimeSeconds != nil)
            let error = await failure(stand)
            #expect(error?.kind == .timeout && error?.connectionEnd?.sign == .silence)
            #expect(error?.message.hasPrefix("no answer to a PING within ") == true)
        }
    }
}
