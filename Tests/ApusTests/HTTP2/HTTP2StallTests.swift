import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Peers that take nothing, acknowledge nothing, or fall silent while nothing is asked of them.
@Suite(.timeLimit(.minutes(5))) struct HTTP2StallTests {
    /// More than the sockets of both ends hold together.
    private static let large = Bytes([UInt8](repeating: 0x61, count: 32 << 20))
    /// Windows that hold nothing up, so that the socket is what does.
    private static let wide =
        Frames.settings([(4, 1 << 30)]) + Frames.windowUpdate(0, 1 << 30)
    /// Our SETTINGS acknowledged beside the peer's own.
    private static let acknowledging = Frames.settings() + Frames.frame(4, flags: 1)

    // MARK: Output

    @Test func aPeerThatNeverReadsIsGivenUp() async throws {
        var tuning = EngineTuning.default
        tuning.http2.suspectAfter = .milliseconds(20)
        tuning.http2.writeTimeout = .milliseconds(300)
        try await withHTTP2(
            [.send(Self.wide), .request(1), .silence], .wellBehaved(), tuning: tuning
        ) { stand in
            let error = await transportError { _ = try await stand.post(.bytes(Self.large)) }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .send)
            #expect(error?.replay == .unknown)
            #expect((1..<UInt64(Self.large.count)).contains(error?.bytesSent ?? 0))
            try await eventually("the close is reported") { stand.story.closes == [.timeout] }
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test func aPeerThatReadsNothingForAWhileGetsNoNewStreamsMeanwhile() async throws {
        var tuning = EngineTuning.default
        tuning.http2.suspectAfter = .milliseconds(20)
        tuning.http2.writeTimeout = .seconds(600)
        try await withHTTP2(
            [
                .send(Self.wide), .request(1), .waitForSignal("read"),
                .expectData(1, Self.large.count), .send(Frames.answer(1)),
            ] + .answering(3) + [.readUntilEnd],
            .wellBehaved(), tuning: tuning
        ) { stand in
            async let upload = stand.post(.bytes(Self.large))
            try await eventually("the peer is suspected") {
                stand.engine.snapshot().connectionEntries.first?.state == .suspect
            }
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
            stand.peer.release("read")
            #expect(try await upload == "ok")
            #expect(stand.story.closes.isEmpty)
            try await eventually("it is trusted again") {
                stand.engine.snapshot().connectionEntries.allSatisfy { $0.state != .suspect }
            }
        }
    }

    @Test func aRequestCancelledOnAFullSocketFreesItsSlotAtOnce() async throws {
        try await withHTTP2(
            [
                .send(Self.wide), .request(1), .waitForSignal("read"),
                .expectData(1, Self.large.count), .send(Frames.answer(1)),
            ] + .answering(9) + [.readUntilEnd], tuning: Self.patient
        ) { stand in
            async let upload = stand.post(.bytes(Self.large))
            try await eventually("the upload is under way") {
                stand.peer.transcript(0).steps == 2
            }
            try await fillSocket(connectedTo: stand.peer.port)
            let produced = Counter()
            for number in 2...4 {
                let task = Task(executorPreference: stand.engine.taskExecutor) {
                    let body = Counted(pieces: 10, piece: Bytes("piece"), count: produced)
                    return try await stand.post(.stream { body })
                }
                try await eventually("it is on its connection") { stand.story.starts == number }
                await stand.turnOfLoop()
                task.cancel()
                let error = await transportError { _ = try await task.value }
                #expect(error?.kind == .cancelled)
                try await eventually("its slot is free") {
                    stand.engine.snapshot().exchanges == 1
                }
            }
            // No producer was asked for a body whose request had not left.
            #expect(produced.value == 0)
            stand.peer.release("read")
            #expect(try await upload == "ok")
            try await stand.works()
            let requests = stand.frames().filter { $0.type == Frames.headersType }
            #expect(requests.map(\.stream) == [1, 9])
        }
    }

    @Test func aRequestThatTimesOutOnAFullSocketWasNotSent() async throws {
        try await withHTTP2(
            [
                .send(Self.wide), .request(1), .waitForSignal("read"),
                .expectData(1, Self.large.count), .send(Frames.answer(1)),
            ] + .answering(5) + [.readUntilEnd], tuning: Self.patient
        ) { stand in
            async let upload = stand.post(.bytes(Self.large))
            try await eventually("the upload is under way") {
                stand.peer.transcript(0).steps == 2
            }
            try await fillSocket(connectedTo: stand.peer.port)
            var options = RequestOptions()
            options.headTimeout = .milliseconds(20)
            let error = await transportError { _ = try await stand.get(options) }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .head)
            #expect(error?.replay == .notSent)
            stand.peer.release("read")
            #expect(try await upload == "ok")
            try await stand.works()
            let requests = stand.frames().filter { $0.type == Frames.headersType }
            #expect(requests.map(\.stream) == [1, 5])
        }
    }

    /// One connection without any timeout, TCP's own included.
    private static var patient: EngineTuning {
        var tuning = EngineTuning.default
        tuning.http2.maxConnectionsPerHost = 1
        tuning.dial.userTimeout = nil
        tuning.dial.tcpTimeout = nil
        tuning.dial.connectTimeout = nil
        return tuning
    }

    // MARK: SETTINGS

    @Test func aPeerThatDoesNotAcknowledgeOurSettingsIsGivenUp() async throws {
        var tuning = EngineTuning.default
        tuning.http2.settingsTimeout = .seconds(2)
        try await withHTTP2(
            [.send(Frames.settings()), .request(1), .readUntilEnd],
            [.send(Self.acknowledging)] + .answering(1, 3) + [.readUntilEnd], tuning: tuning
        ) { stand in
            do {
                #expect(try await stand.post(.bytes(Bytes("x"))) == "ok")
                // On a busy machine the time was over before the request went out: it moved.
                #expect(stand.peer.transcript(0).steps == 1)
            } catch let error as TransportError {
                #expect(error.kind == .timeout)
                #expect(error.replay == .unknown)
            }
            try await eventually("the close is reported") { stand.story.closes == [.timeout] }
            #expect(await stand.peer.connection(0, timeout: .seconds(60)) { $0.hasEnded })
            let goAway = stand.frames().last { $0.type == Frames.goAwayType }
            #expect(goAway?.number(at: 4) == 4)
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
        }
    }

    // MARK: Idle connections

    private static var asking: EngineTuning {
        var tuning = EngineTuning.default
        tuning.http2.pingAfter = .seconds(600)
        tuning.http2.idlePingAfter = .milliseconds(20)
        tuning.http2.suspectAfter = .milliseconds(20)
        tuning.http2.deadAfter = .seconds(600)
        return tuning
    }

    @Test func row73_anIdleConnectionIsAskedWhenTheTuningSaysSo() async throws {
        try await withHTTP2(
            .http2(Frames.answer(1)) + [
                .waitForSignal("answered"), .send(Frames.ping(1, ack: true)), .expectPing(2),
                .send(Frames.ping(2, ack: true)), .signal("asked twice"), .readUntilEnd,
            ], tuning: Self.asking
        ) { stand in
            try await stand.works()
            try await eventually("it is asked") {
                stand.engine.snapshot().connectionEntries.first?.state == .suspect
            }
            stand.peer.release("answered")
            #expect(await stand.signal("asked twice"))
            #expect(stand.peer.connectionCount == 1)
            #expect(stand.story.closes.isEmpty)
        }
    }

    /// While its stream is open, silence may last longer than the idle connection's.
    @Test func row73_anIdleConnectionIsAskedAfterASlowAnswerToo() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1), .pause(.milliseconds(100)),
                .send(Frames.answer(1)), .readUntilEnd,
            ], tuning: Self.asking
        ) { stand in
            // The answer ends a doubt of before.
            try await stand.works()
            try await eventually("it is asked") {
                stand.engine.snapshot().connectionEntries.first?.state == .suspect
            }
            #expect(stand.peer.connectionCount == 1)
            #expect(stand.frames().contains { $0.type == Frames.pingType })
        }
    }

    @Test func row73_anIdleConnectionThatAnswersNoPingIsClosed() async throws {
        var tuning = Self.asking
        tuning.http2.deadAfter = .seconds(15)
        try await withHTTP2(
            // A slow start may bring the death before the first request, which then moves.
            .http2(Frames.answer(1)) + [.silence], .http2(Frames.answer(1)) + [.silence],
            .http2(Frames.answer(1)) + [.silence], tuning: tuning
        ) { stand in
            try await stand.works()
            try await eventually("the close is reported") { stand.story.closes.contains(.timeout) }
            try await stand.settles(connections: 0)
        }
    }

    @Test func row73_aSilentIdleConnectionGetsAPingWithItsNextRequest() async throws {
        var tuning = EngineTuning.default
        tuning.http2.pingAfter = .milliseconds(20)
        tuning.http2.suspectAfter = .seconds(600)
        tuning.http2.deadAfter = .seconds(600)
        try await withHTTP2(
            .http2(Frames.answer(1)) + [
                .signal("idle"), .waitForSignal("long after"), .request(3),
                .send(Frames.answer(3)), .readUntilEnd,
            ], tuning: tuning
        ) { stand in
            try await stand.works()
            #expect(await stand.signal("idle"))
            let start = ContinuousClock.now
            try await eventually("silence") { start.duration(to: .now) > .milliseconds(40) }
            stand.peer.release("long after")
            try await stand.works()
            try await eventually("the PING beside the request") {
                stand.frames().contains { $0.type == Frames.pingType && $0.flags == 0 }
            }
        }
    }
}
