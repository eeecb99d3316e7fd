import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// A silent HTTP/2 peer is asked, suspected, and given up; one that wakes is trusted again.
@Suite(.timeLimit(.minutes(5))) struct SilentPeerTests {
    private static func tuning(deadAfter: Duration = .seconds(600)) -> EngineTuning {
        var tuning = EngineTuning.default
        tuning.http2.pingAfter = .milliseconds(20)
        tuning.http2.suspectAfter = .milliseconds(20)
        tuning.http2.deadAfter = deadAfter
        return tuning
    }

    @Test func row73_aSuspectGetsNoNewStreamsAndItsOldOnesLiveOn() async throws {
        // Connection 0 answers no PING until the signal; then it continues normally. Only the last
        // request to it has a body, which distinguishes it from those lost before. Every later
        // connection says goodbye with its first answer.
        let silent: [ScriptedPeer.Step] =
            .http2(Frames.head(1)) + [
                .waitForSignal("wake"),
                .send(Frames.ping(1, ack: true) + Frames.data(1, [0x31], end: true)),
                .expectFrame(Frames.dataType),
                .reply { Frames.answer(Frames.frames($0).last { $0.type == 0 }?.stream ?? 0) },
                .readUntilEnd,
            ]
        let goodbye: [ScriptedPeer.Step] =
            .http2(Frames.goAway(1) + Frames.answer(1)) + [.readUntilEnd]
        let scripts = [silent] + [[ScriptedPeer.Step]](repeating: goodbye, count: 40)
        try await withHTTP2(scripts: scripts, tuning: Self.tuning()) { stand in
            let response = try await stand.client.send(.get(stand.url))
            var options = RequestOptions()
            options.headTimeout = .seconds(1)
            // A request before the suspicion still goes out on connection 0, and is lost.
            var answer: String?
            for _ in 0..<40 where answer == nil { answer = try? await stand.get(options) }
            #expect(answer == "ok")
            #expect(stand.peer.connectionCount >= 2)
            stand.peer.release("wake")
            #expect(try await text(of: response) == "1")
            // The others have gone, and connection 0 is trusted again.
            #expect(try await stand.post(.bytes(Bytes("x"))) == "ok")
            #expect(stand.frames().contains { $0.type == Frames.dataType })
            #expect(!stand.story.closes.contains(.timeout))
            try await stand.settles(connections: 1)
        }
    }

    @Test func row73_aPeerThatNeverWakesIsGivenUp() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .requestAndPing, .send(Frames.head(1)), .pong, .silence,
            ], .wellBehaved(), tuning: Self.tuning(deadAfter: .seconds(3))
        ) { stand in
            let response = try await stand.client.send(.get(stand.url))
            let error = await transportError { _ = try await response.body.collect(upTo: 10) }
            #expect(error?.kind == .timeout)
            #expect(error?.replay == .responseStarted)
            try await eventually("the closes are reported") {
                stand.story.closes == [.timeout]
            }
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test func row73_aTimeoutOfAStreamAsksAtOnce() async throws {
        var tuning = EngineTuning.default
        tuning.http2.pingAfter = .seconds(600)
        var options = RequestOptions()
        options.headTimeout = .milliseconds(20)
        try await withHTTP2(
            .wellBehaved().dropLast() + [
                .request(3), .expectFrame(Frames.pingType), .send(Frames.ping(1, ack: true)),
            ] + .answering(5) + [.readUntilEnd], tuning: tuning
        ) { stand in
            // The dial is not what the head's time is short for.
            try await stand.works()
            let error = await transportError { _ = try await stand.get(options) }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .head)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test("a peer that has just answered a PING is not asked for each timeout")
    func timeoutsInARowAskOnce() async throws {
        var tuning = EngineTuning.default
        tuning.http2.pingAfter = .seconds(600)
        // No moment in this test is longer ago.
        tuning.http2.suspectAfter = .seconds(600)
        tuning.http2.deadAfter = .seconds(1_200)
        var options = RequestOptions()
        options.headTimeout = .milliseconds(20)
        let rounds: [Int32] = [7, 11, 15]
        let script = rounds.flatMap { id -> [ScriptedPeer.Step] in
            [.request(id), .request(id + 2), .send(Frames.answer(id + 2))]
        }
        try await withHTTP2(
            .wellBehaved().dropLast() + [
                .request(3), .expectFrame(Frames.pingType), .send(Frames.ping(1, ack: true)),
            ] + .answering(5) + script + [.readUntilEnd], tuning: tuning
        ) { stand in
            try await stand.works()
            for _ in 0...rounds.count {
                let error = await transportError { _ = try await stand.get(options) }
                #expect(error?.kind == .timeout)
                try await stand.works()
            }
            #expect(stand.frames().count { $0.type == Frames.pingType && $0.flags == 0 } == 1)
        }
    }

    @Test func aSuspectThatWokeIsWatchedAsBefore() async throws {
        // `deadAfter` is far away: only silence after the waking can bring the second PING.
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1), .send(Frames.head(1)),
                .waitForSignal("wake"), .send(Frames.ping(1, ack: true)), .secondPing,
                .signal("asked again"), .send(Frames.data(1, [0x31], end: true)), .readUntilEnd,
            ], tuning: Self.tuning()
        ) { stand in
            let response = try await stand.client.send(.get(stand.url))
            try await eventually("the silent peer is suspected") {
                stand.engine.snapshot().connectionEntries.first?.state == .suspect
            }
            stand.peer.release("wake")
            #expect(await stand.peer.signal("asked again"))
            #expect(try await text(of: response) == "1")
        }
    }

    @Test func aPeerThatAnswersIsAskedAgainAndKept() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .requestAndPing,
                .send(Frames.head(1) + Frames.ping(1, ack: true)), .expectFrame(Frames.pingType),
                .send(Frames.ping(2, ack: true)),
                .send(Frames.data(1, [0x31], end: true)), .readUntilEnd,
            ], tuning: Self.tuning()
        ) { stand in
            let response = try await stand.client.send(.get(stand.url))
            #expect(try await text(of: response) == "1")
            #expect(stand.story.closes.isEmpty)
        }
    }
}

extension ScriptedPeer.Step {
    /// Reads until the PING that follows an answered one has come: one is in flight at a time, and
    /// a slow start may have brought the first before the request.
    fileprivate static let secondPing = Self.expect { bytes in
        let isThere = HTTP2Frames.frames(Array(bytes)).contains {
            $0.type == HTTP2Frames.pingType && $0.flags == 0 && $0.number(at: 4) == 2
        }
        return isThere ? bytes.count : nil
    }
}
