import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames
private typealias Step = ScriptedPeer.Step

/// HTTP/2 that fails on a way where HTTP/1.1 works: incidents A1, A3, A4, A5.
@Suite(.timeLimit(.minutes(5))) struct BrokenHTTP2IncidentTests {
    /// A connection that speaks HTTP/2 as the steps say.
    private static func http2(_ steps: [Step]) -> [Step] {
        [.startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"]), .send(Frames.settings())]
            + steps + [.readUntilEnd]
    }

    /// A connection that answers over HTTP/1.1, so often.
    private static func http1(_ count: Int = 1) -> [Step] {
        let answer: [Step] = [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ]
        return [.startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"])]
            + (0..<count).flatMap { _ in answer } + [.readUntilEnd]
    }

    private struct Scene {
        let engine: TransportEngine
        let chronicle: Chronicle
        let peer: ScriptedPeer
        var url: String { "https://localhost:\(peer.port)/" }

        func post(_ options: RequestOptions = .init()) async throws -> Response {
            try await engine.send(.post(url), body: .bytes(Bytes("x")), options: options)
        }

        /// Sends a request, whose response must have this version.
        func expect(
            _ version: HTTPVersion, _ options: RequestOptions = .init(),
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            let response = try await post(options)
            #expect(response.version == version, sourceLocation: location)
        }

        func failure(_ options: RequestOptions = .init()) async -> TransportError? {
            await transportError { _ = try await post(options) }
        }
    }

    private func play(
        _ scripts: [[Step]], _ tune: (inout EngineTuning) -> Void = { _ in },
        _ body: (Scene) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(scripts)
        defer { peer.stop() }
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tune(&tuning)
        let chronicle = Chronicle()
        let engine = try TransportEngine(tuning, observer: chronicle)
        do {
            try await body(Scene(engine: engine, chronicle: chronicle, peer: peer))
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    @Test("A1: resets over HTTP/2 move the way to HTTP/1.1, for every credential of it")
    func resetsMoveTheWayToHTTP1() async throws {
        let broken = Self.http2([
            .request(1), .send(Frames.reset(1, 1)), .request(3), .send(Frames.reset(3, 2)),
        ])
        let whole = Self.http2(.answering(1))
        try await play([broken, Self.http1(2), Self.http1(), whole]) { scene in
            for code in [1, 2] as [UInt32] {
                let error = await scene.failure()
                #expect(error?.kind == .h2Stream(code: code) && error?.replay == .unknown)
            }
            #expect(scene.chronicle.words.contains("HTTP/2 avoided: streamReset streamReset"))
            let avoided = scene.engine.snapshot().http2Avoided
            #expect(avoided.map(\.because) == [[.streamReset, .streamReset]])
            #expect(avoided.allSatisfy { $0.secondsLeft > 0 && $0.route.contains("localhost") })
            for _ in 0..<2 { try await scene.expect(.http1) }
            var other = RequestOptions()
            other.isolation = "another credential"
            try await scene.expect(.http1, other)
            // What is forgotten is tried again.
            scene.engine.drain { _ in true }
            #expect(scene.engine.snapshot().http2Avoided.isEmpty)
            try await scene.expect(.http2)
        }
    }

    @Test("A1: connections that end at their first request move the way")
    func endsAtOnceMoveTheWay() async throws {
        let ends = Self.http2([.request(1), .close])
        try await play([ends, ends, Self.http1()]) { scene in
            for _ in 0..<2 {
                // A reset where bytes of ours were left unread.
                let kind = await scene.failure()?.kind
                #expect(kind == .truncated || kind == .reset)
            }
            try await scene.expect(.http1)
        }
    }

    @Test("A3: streams that are silent beside answered PINGs move the way")
    func silentStreamsMoveTheWay() async throws {
        let silent = Self.http2(
            [.request(1)] + (0..<1000).flatMap { _ in [.expectFrame(Frames.pingType), .pong] })
        func tune(_ tuning: inout EngineTuning) {
            tuning.http2.pingAfter = .milliseconds(200)
            tuning.http2.suspectAfter = .milliseconds(200)
            tuning.http2.deadAfter = .seconds(600)
        }
        try await play([silent, Self.http1()], tune) { scene in
            var options = RequestOptions()
            options.responseTimeout = .seconds(1)
            // A wait in which no PING was answered shows nothing; a machine under load has such.
            for _ in 0..<20 where scene.engine.snapshot().http2Avoided.isEmpty {
                let error = await scene.failure(options)
                #expect(error?.kind == .timeout && error?.phase == .head)
            }
            let avoided = scene.engine.snapshot().http2Avoided
            #expect(avoided.map(\.because) == [[.silentStream, .silentStream]])
            try await scene.expect(.http1)
        }
    }

    @Test("A4: an answer in HTTP/1 to HTTP/2 is sent again over HTTP/1.1 at once")
    func anAnswerInHTTP1IsSentAgainAtOnce() async throws {
        let mistaken: [Step] = [
            .startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"]), .request(1),
            .sendText("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), .readUntilEnd,
        ]
        try await play([mistaken, Self.http1()]) { scene in
            let response = try await scene.post()
            #expect(response.version == .http1 && response.status == .ok)
            #expect(response.info.replays == 1)
            #expect(scene.chronicle.words.contains("HTTP/2 avoided: spokeHTTP1"))
        }
    }

    @Test("A5: a peer that refuses our SETTINGS is spoken to in HTTP/1.1, and no request is lost")
    func aPeerThatRefusesOurSettings() async throws {
        let refuses = Self.http2([.request(1), .send(Frames.goAway(0, 1))])
        try await play([refuses, refuses, Self.http1()]) { scene in
            let response = try await scene.post()
            #expect(response.version == .http1 && response.info.replays == 2)
            #expect(scene.chronicle.words.contains("HTTP/2 avoided: refusedAtOnce refusedAtOnce"))
        }
    }

    @Test("A1: a request for HTTP/2 alone is never moved, nor any where that is switched off")
    func whatIsNotMoved() async throws {
        let broken = Self.http2([
            .request(1), .send(Frames.reset(1, 1)), .request(3), .send(Frames.reset(3, 1)),
            .request(5), .send(Frames.answer(5)),
        ])
        try await play([broken]) { scene in
            var options = RequestOptions()
            options.versions = .http2Only
            for _ in 0..<2 { #expect(await scene.failure(options)?.kind == .h2Stream(code: 1)) }
            try await scene.expect(.http2, options)
            #expect(scene.engine.snapshot().http2Avoided.isEmpty)
        }
        try await play([broken], { $0.http2.learnsBrokenRoutes = false }) { scene in
            for _ in 0..<2 { #expect(await scene.failure()?.kind == .h2Stream(code: 1)) }
            try await scene.expect(.http2)
        }
    }
}
