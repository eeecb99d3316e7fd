import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames
private typealias Step = ScriptedPeer.Step

/// PINGs that are too many or too few for their way: incidents A9, C2, C3.
@Suite(.timeLimit(.minutes(5))) struct SilenceIncidentTests {
    private static let calm = Frames.goAway(1, 11, "too_many_pings")

    /// A response that has begun on stream 1.
    private static let begun: [Step] = [
        .send(Frames.settings()), .request(1), .send(Frames.head(1)),
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
            Self.begun + [
                .expectPing(1), .pong, .expectPing(2), .send(Self.calm), .close,
            ]
        let accepts = Self.begun + [.expectPing(1), .pong, Self.end, .readUntilEnd]
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
            Self.begun + [
                .expectPing(1), .send(Frames.goAway(1, 11, "too_many_pings?")), .close,
            ]
        try await withHTTP2(other, tuning: Self.tuning(pingAfter: .milliseconds(20))) { stand in
            #expect(await failure(stand)?.connectionEnd?.nextPingAfter == nil)
            #expect(stand.engine.snapshot().learnedWays.isEmpty)
        }
        let complains = Self.begun + [.expectPing(1), .send(Self.calm), .close]
        var tuning = Self.tuning(pingAfter: .milliseconds(20))
        tuning.http2.learnsPings = false
        try await withHTTP2(complains, tuning: tuning) { stand in
            let error = await failure(stand)
            #expect(error?.connectionEnd != nil && error?.connectionEnd?.nextPingAfter == nil)
            #expect(stand.engine.snapshot().learnedWays.isEmpty)
        }
    }
}
