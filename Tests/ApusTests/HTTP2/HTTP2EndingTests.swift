import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// How HTTP/2 streams and connections end early: GOAWAY, RST_STREAM, FIN and garbage.
@Suite(.timeLimit(.minutes(5))) struct HTTP2EndingTests {
    // MARK: GOAWAY

    @Test(arguments: [false, true])
    func row55_aStreamAboveTheGoAwaysLastIsReplayed(_ isPost: Bool) async throws {
        try await withHTTP2(.http2(Frames.goAway(0)) + [.readUntilEnd], .wellBehaved(2)) { stand in
            let body = isPost ? try await stand.post(.bytes(Bytes("x"))) : try await stand.get()
            #expect(body == "ok")
            #expect(stand.story.replays.map(\.kind) == [.h2GoAway(code: 0, lastStreamID: 0)])
            #expect(stand.story.replays.map(\.replay) == [.refusedByPeer])
            try await eventually("the closes are reported") {
                stand.story.closes == [.goAway]
            }
            try await stand.works()
            try await stand.settles(connections: 1)
        }
    }

    @Test func row55_aBodyThatCannotBeMadeAgainIsNotReplayed() async throws {
        try await withHTTP2(
            .http2(Frames.goAway(0)) + [.readUntilEnd], .wellBehaved()
        ) { stand in
            let once = RequestBody.oneShot {
                AsyncThrowingStream<Bytes, any Error> { $0.finish() }
            }
            let error = await transportError { _ = try await stand.post(once) }
            #expect(error?.kind == .h2GoAway(code: 0, lastStreamID: 0))
            #expect(error?.replay == .refusedByPeer)
            try await stand.works()
        }
    }

    @Test func row56_aStreamBelowTheGoAwaysLastCompletes() async throws {
        try await withHTTP2(
            .http2(Frames.goAway(1) + Frames.answer(1)) + [.readUntilEnd], .wellBehaved()
        ) { stand in
            try await stand.works()
            #expect(stand.story.replays.isEmpty)
            try await stand.settles(connections: 0)
            try await eventually("the closes are reported") {
                stand.story.closes == [.goAway]
            }
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test func row57_aGracefulGoAwayMovesNewRequestsAtOnce() async throws {
        try await withHTTP2(
            .http2(Frames.head(1) + Frames.goAway(.max)) + [
                .waitForSignal("second"),
                .send(Frames.goAway(1) + Frames.data(1, [0x31], end: true)), .readUntilEnd,
            ], .wellBehaved()
        ) { stand in
            let response = try await stand.client.send(.get(stand.url))
            // The first stage came with the head: the connection takes no more.
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
            stand.peer.release("second")
            #expect(try await text(of: response) == "1")
            #expect(stand.story.replays.isEmpty)
            try await stand.settles(connections: 1)
        }
    }

    @Test func row58_enhanceYourCalmIsNotReplayedAtOnce() async throws {
        try await withHTTP2(.http2(Frames.goAway(0, 11)) + [.readUntilEnd], .wellBehaved()) {
            stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == .h2GoAway(code: 11, lastStreamID: 0))
            #expect(error?.replay == .refusedByPeer)
            #expect(stand.peer.connectionCount == 1)
            try await stand.settles(connections: 0)
            try await eventually("the closes are reported") {
                stand.story.closes == [.goAway]
            }
            try await stand.works()
        }
    }

    @Test(arguments: [Frames.goAway(0, 11), Frames.goAway(.max) + Frames.goAway(0, 11)])
    func row58_enhanceYourCalmHoldsTheNextDialBack(_ calm: [UInt8]) async throws {
        var tuning = EngineTuning.default
        tuning.pool.dialBackoff = .seconds(600)
        tuning.pool.maxDialBackoff = .seconds(600)
        try await withHTTP2(.http2(calm) + [.readUntilEnd], .wellBehaved(), tuning: tuning) {
            stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == .h2GoAway(code: 11, lastStreamID: 0))
            let next = Task { try await stand.get() }
            try await eventually("it waits, and for no dial") {
                let snapshot = stand.engine.snapshot()
                return snapshot.waiting == 1 && snapshot.connections == 0
            }
            #expect(stand.peer.connectionCount == 1)
            next.cancel()
            _ = await next.result
        }
    }

    /// The GOAWAY and the peer's end come in one read: the peer makes one write of both.
    @Test func row58_enhanceYourCalmWithThePeersEndDelaysTheNextDial() async throws {
        try FixturePaths.ensureCertificates()
        let leaf = FixturePaths.certificate("leaf")
        let calm: [ScriptedPeer.Step] = [
            .startTLS(leaf, alpn: ["h2"]), .request(1),
            .sendWithCloseNotify(Frames.settings() + Frames.goAway(0, 11)), .readUntilEnd,
        ]
        let peer = try ScriptedPeer(everyConnection: calm)
        let story = Story()
        var tuning = relaxedTuning
        tuning.http2.pingAfter = nil
        tuning.pool.dialBackoff = .seconds(600)
        tuning.pool.maxDialBackoff = .seconds(600)
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning, observer: story)
        let url = "https://localhost:\(peer.port)/"
        let error = await transportError { _ = try await engine.send(.get(url)) }
        #expect(error?.kind == .h2GoAway(code: 11, lastStreamID: 0))
        try await eventually("the close is reported") { story.closes == [.goAway] }
        let next = Task { try await engine.send(.get(url)) }
        try await eventually("it waits, and for no dial") {
            let snapshot = engine.snapshot()
            return snapshot.waiting == 1 && snapshot.connections == 0
        }
        #expect(peer.connectionCount == 1)
        next.cancel()
        _ = await next.result
        await engine.shutdown()
        peer.stop()
    }

    @Test(arguments: [Frames.reset(1, 13), Frames.goAway(0, 13)])
    func row59_http11RequiredIsSentAgainOverHTTP1(_ refusal: [UInt8]) async throws {
        try FixturePaths.ensureCertificates()
        let leaf = FixturePaths.certificate("leaf")
        let http1: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ]
        let peer = try ScriptedPeer([
            [.startTLS(leaf, alpn: ["h2", "http/1.1"])] + .http2(refusal) + [.readUntilEnd],
            [.startTLS(leaf, alpn: ["h2", "http/1.1"])] + http1 + http1 + [.readUntilEnd],
        ])
        var tuning = EngineTuning.default
        // The script acknowledges nothing, and a slow machine keeps no budget.
        tuning.relaxBudgets()
        tuning.http2.pingAfter = nil
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        let client = ExecutorClient(engine)
        for _ in 0..<2 {
            // The second time the route is known, and nothing is tried over HTTP/2.
            let response = try await client.send(
                .post("https://localhost:\(peer.port)/"), body: .bytes(Bytes("x")))
            #expect(try await text(of: response) == "ok")
        }
        #expect(peer.connectionCount == 2)
        await engine.shutdown()
        peer.stop()
    }

    @Test func row59_aPolicyOfHTTP2OnlyReportsAnotherChoice() async throws {
        try await withHTTP2(.http2(Frames.reset(1, 13)) + [.readUntilEnd], .wellBehaved()) {
            stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == .h2Stream(code: 13))
            #expect(error?.replay == .refusedByPeer)
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
        }
    }

    // MARK: RST_STREAM

    @Test func row60_aRefusedStreamIsReplayedOnTheSameConnection() async throws {
        try await withHTTP2(
            .http2(Frames.reset(1, 7)) + .answering(3, 5) + [.readUntilEnd]
        ) { stand in
            #expect(try await stand.post(.bytes(Bytes("x"))) == "ok")
            #expect(stand.story.replays.map(\.kind) == [.h2Stream(code: 7)])
            #expect(stand.story.replays.map(\.replay) == [.refusedByPeer])
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
            try await stand.settles(connections: 1)
        }
    }

    @Test func row60_aPeerThatAlwaysRefusesIsTriedThreeTimes() async throws {
        // Its SETTINGS are known from stream 1 on, so two refusals in a row cost it the connection.
        try await withHTTP2(
            .wellBehaved().dropLast() + [
                .request(3), .send(Frames.reset(3, 7)), .request(5), .send(Frames.reset(5, 7)),
                .readUntilEnd,
            ], .http2(Frames.reset(1, 7)) + .answering(3) + [.readUntilEnd]
        ) { stand in
            try await stand.works()
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == .h2Stream(code: 7))
            #expect(error?.replay == .refusedByPeer)
            #expect(stand.story.replays.count == 2)
            try await eventually("the closes are reported") {
                stand.story.closes == [.goAway]
            }
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test func row61_noErrorAfterTheAnswerEndsTheUploadOnly() async throws {
        try await withHTTP2(
            .http2(Frames.answer(1) + Frames.reset(1, 0)) + .answering(3) + [.readUntilEnd]
        ) { stand in
            // A million bytes do not fit the window: the upload is open when the answer comes.
            let body = RequestBody.bytes(Bytes([UInt8](repeating: 0, count: 1_000_000)))
            #expect(try await stand.post(body) == "ok")
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
            try await stand.settles(connections: 1)
        }
    }

    @Test(
        arguments: [
            (0, .truncated), (8, .h2Stream(code: 8)), (2, .h2Stream(code: 2)),
            (7, .h2Stream(code: 7)), (11, .h2Stream(code: 11)),
        ] as [(UInt32, TransportError.Kind)])
    func rows62And63_aResetWithinTheBodyComesAfterItsBytes(
        _ code: UInt32, _ kind: TransportError.Kind
    ) async throws {
        try await withHTTP2(
            .http2(Frames.head(1) + Frames.data(1, [1, 2, 3]) + Frames.reset(1, code))
                + .answering(3) + [.readUntilEnd]
        ) { stand in
            let response = try await stand.client.send(.get(stand.url))
            var received = 0
            let error = await transportError {
                for try await chunk in response.body { received += chunk.count }
            }
            #expect(received == 3)
            #expect(error?.kind == kind)
            #expect(error?.replay == .responseStarted)
            #expect(error?.phase == .body)
            #expect(stand.story.replays.isEmpty)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
            try await stand.settles(connections: 1)
        }
    }

    @Test(arguments: [(0, .truncated), (2, .h2Stream(code: 2))] as [(UInt32, TransportError.Kind)])
    func row63_aResetBeforeTheHeadIsNotReplayed(
        _ code: UInt32, _ kind: TransportError.Kind
    ) async throws {
        try await withHTTP2(
            .http2(Frames.reset(1, code)) + .answering(3) + [.readUntilEnd]
        ) { stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == kind)
            #expect(error?.replay == .unknown)
            #expect(stand.story.replays.isEmpty)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test(
        arguments: [
            "RST(NO_ERROR)", "RST(INTERNAL_ERROR)", "GOAWAY above it, and FIN",
            "GOAWAY in good order above it, and FIN",
        ])
    func row62_whatMayHaveBeenActedOnIsNotReplayedOnAReusedConnection(
        _ ending: String
    ) async throws {
        // A GET, on a connection that was used before, and nothing of an answer: without a word it
        // would be sent again, but HTTP/2 has words for "not acted on", and the peer used others.
        let steps: [ScriptedPeer.Step] =
            switch ending {
            case "RST(NO_ERROR)": [.send(Frames.reset(3, 0)), .readUntilEnd]
            case "RST(INTERNAL_ERROR)": [.send(Frames.reset(3, 2)), .readUntilEnd]
            case "GOAWAY in good order above it, and FIN":
                [.send(Frames.goAway(3)), .halfClose, .readUntilEnd]
            default: [.send(Frames.goAway(3, 2)), .halfClose, .readUntilEnd]
            }
        try await withHTTP2(
            .wellBehaved().dropLast() + [.request(3)] + steps, .wellBehaved()
        ) { stand in
            try await stand.works()
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.replay == .unknown)
            #expect(error?.isReused == true)
            #expect(error?.bytesReceived == 0)
            #expect(stand.story.replays.isEmpty)
            #expect(stand.story.starts == 2)
        }
    }

    // MARK: Stream numbers

    @Test func row75_exhaustedStreamNumbersMoveRequestsToANewConnection() async throws {
        var tuning = EngineTuning.default
        tuning.http2.firstStream = .max - 2
        let script =
            [.send(Frames.settings())] + .answering(.max - 2, .max)
            + [ScriptedPeer.Step.readUntilEnd]
        try await withHTTP2(script, script, tuning: tuning) { stand in
            for _ in 0..<4 { try await stand.works() }
            #expect(stand.peer.connectionCount == 2)
            try await eventually("the closes are reported") {
                stand.story.closes == [.exhausted, .exhausted]
            }
            #expect(stand.story.replays.isEmpty)
            try await stand.settles(connections: 0)
        }
    }

    // MARK: The connection's end

    @Test(
        arguments: [
            (Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), .malformed),
            ([UInt8](repeating: 0xFF, count: 100), .malformed), ([], .truncated),
        ] as [([UInt8], TransportError.Kind)])
    func row76_aPeerThatDoesNotSpeakHTTP2(
        _ bytes: [UInt8], _ kind: TransportError.Kind
    ) async throws {
        try await withHTTP2(
            [.request(1), .send(bytes), .halfClose, .readUntilEnd], .wellBehaved()
        ) { stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == kind, "\(String(describing: error))")
            // A peer that answers in HTTP/1 has understood nothing.
            let isHTTP1 = bytes.starts(with: Array("HTTP/1.".utf8))
            #expect(error?.replay == (isHTTP1 ? .refusedByPeer : .unknown))
            try await stand.settles(connections: 0)
            try await eventually("the closes are reported") {
                stand.story.closes == [kind == .truncated ? .peerClosed : .protocolViolation]
            }
            try await stand.works()
        }
    }

    @Test func aFinWithStreamsOpenTruncatesEachOfThem() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1), .send(Frames.head(1)), .request(3),
                .send(Frames.head(3) + Frames.goAway(3)), .halfClose, .readUntilEnd,
            ], .wellBehaved()
        ) { stand in
            let first = try await stand.client.send(.get(stand.url))
            let second = try await stand.client.send(.get(stand.url))
            for response in [first, second] {
                let error = await transportError { _ = try await response.body.collect(upTo: 9) }
                #expect(error?.kind == .truncated)
                #expect(error?.replay == .responseStarted)
            }
            try await eventually("the closes are reported") {
                stand.story.closes == [.goAway] || stand.story.closes == [.peerClosed]
            }
            try await stand.works()
        }
    }

    /// The caller is the loop's own, and keeps it from hearing of the reset before it sends.
    @Test(arguments: [true, false])
    func row9_aRequestOfWhichNoByteLeftIsSentAgain(_ isReplayable: Bool) async throws {
        try await withHTTP2(
            .wellBehaved().dropLast() + [.waitForSignal("go"), .reset], .wellBehaved()
        ) { stand in
            let body =
                isReplayable
                ? RequestBody.bytes(Bytes("x")) : .oneShot { Pieces([Bytes("x")]) }
            try await Task(executorPreference: stand.engine.taskExecutor) {
                try await stand.works()
                stand.peer.release("go")
                #expect(stand.peer.waitUntilClosed(connection: 0))
                guard !isReplayable else {
                    #expect(try await stand.post(body) == "ok")
                    return
                }
                let error = await transportError { _ = try await stand.post(body) }
                #expect(error?.kind == .reset)
                #expect(error?.replay == .notSent)
                #expect(try await stand.post(.bytes(Bytes("x"))) == "ok")
            }.value
            #expect(stand.peer.connectionCount == 2)
            #expect(stand.story.replays.map(\.replay) == (isReplayable ? [.notSent] : []))
            #expect(stand.frames().count { $0.type == Frames.headersType } == 1)
        }
    }

    @Test func aHardEndLeavesNothingHanging() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1), .send(Frames.head(1)), .request(3),
                .request(5), .readUntilEnd,
            ]
        ) { stand in
            let body = try await stand.client.send(.get(stand.url)).body
            let large = RequestBody.bytes(Bytes([UInt8](repeating: 0, count: 1_000_000)))
            async let upload = transportError { _ = try await stand.post(large) }
            async let head = transportError { _ = try await stand.get() }
            async let chunk = transportError { for try await _ in body {} }
            #expect(
                await stand.peer.connection(0, timeout: .seconds(60)) { transcript in
                    Frames.frames(transcript.received).contains { $0.stream == 5 }
                })
            await stand.engine.shutdown()
            for error in await [upload, head, chunk] { #expect(error?.kind == .shutdown) }
        }
    }
}
