import Apus
import ApusDial
import ApusSocket
import Glibc
import Loopback
import Testing

/// Connections that the peer ends, or talks on, when it should not: rows 12 to 16, 95 and 97.
@Suite(.timeLimit(.minutes(Soak.isWhole ? 240 : 5))) struct StaleConnectionTests {
    private static let answer = ScriptedPeer.Step.sendText(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")

    /// A request that may or may not be sent twice.
    enum Sent: String, CaseIterable, Sendable {
        case get, keyedPost, plainPost
        /// With a body that cannot be made again, and need not as long as it was not begun.
        case oneShotPost

        var isReplayable: Bool { self == .get || self == .keyedPost }
    }

    @Test(
        "row 12: an end instead of the second answer, and the request is sent again",
        arguments: [Sent.get, .keyedPost])
    func endOnAReusedConnection(_ sent: Sent) async throws {
        let first = [ScriptedPeer.Step.expectHead, Self.answer, .expectHead, .close]
        try await withPeer([first, [.expectHead, Self.answer, .silence]]) { engine, peer in
            try await self.expectAnswer(.get, "/0", engine, peer)
            try await self.expectAnswer(sent, "/1", engine, peer)
            #expect(peer.connectionCount == 2)
        }
    }

    @Test("row 12: a plain POST that may have been acted on is not sent again")
    func endOnAReusedConnectionUnderAPost() async throws {
        let first = [ScriptedPeer.Step.expectHead, Self.answer, .expectHead, .close]
        try await withPeer([first, [.expectHead, Self.answer, .silence]]) { engine, peer in
            try await self.expectAnswer(.get, "/0", engine, peer)
            let error = await transportError {
                _ = try await self.send(.plainPost, "/1", engine, peer)
            }
            #expect(error?.kind == .truncated)
            #expect(error?.replay == .unknown)
            #expect(error?.isReused == true)
            #expect(peer.connectionCount == 1)
        }
    }

    @Test("row 12: what became of the first try is unknown, also when the second one is never sent")
    func endOnAReusedConnectionBeforeAFailedDial() async throws {
        let script = [ScriptedPeer.Step.expectHead, Self.answer, .expectHead, .close]
        let peer = try ScriptedPeer([script])
        defer { peer.stop() }
        let opened = Shared(0)
        var hooks = DialHooks()
        hooks.openFailure = { _ in
            opened.change { $0 += 1 }
            return opened.value > 1 ? SystemError(errno: ECONNREFUSED, call: "connect") : nil
        }
        try await withEngine(Self.patient, hooks: hooks, ports: [peer.port]) { engine in
            try await self.expectAnswer(.get, "/0", engine, peer)
            let error = await transportError { _ = try await self.send(.get, "/1", engine, peer) }
            #expect(error?.kind == .connect(errno: ECONNREFUSED))
            #expect(error?.replay == .unknown)
            #expect(engine.snapshot().counters.replays == 1)
        }
    }

    @Test(
        "row 13: an end instead of an answer, on a fresh connection, is never replayed",
        arguments: [Sent.get, .keyedPost, .plainPost])
    func endOnAFreshConnection(_ sent: Sent) async throws {
        try await withPeer([[.expectHead, .close]]) { engine, peer in
            let error = await transportError { _ = try await self.send(sent, "/", engine, peer) }
            #expect(error?.kind == .truncated)
            #expect(error?.phase == .head)
            #expect(error?.replay == .unknown)
            #expect(error?.isReused == false)
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "row 12: a connection that was made ahead may be as stale as one that was used",
        arguments: [Sent.get, .keyedPost])
    func endOnAPrewarmedConnection(_ sent: Sent) async throws {
        let scripts = [[.expectHead, .close], [.expectHead, Self.answer, .silence]]
        try await withPeer(scripts) { engine, peer in
            let url = "http://127.0.0.1:\(peer.port)/"
            engine.prewarm(try engine.route(to: url), connections: 1)
            try await eventually("it is idle") { engine.snapshot().idle == 1 }
            try await self.expectAnswer(sent, "/", engine, peer)
            #expect(peer.connectionCount == 2)
            #expect(engine.snapshot().counters.replays == 1)
        }
    }

    @Test("row 12: a plain POST is not sent again from a connection that was made ahead")
    func endOnAPrewarmedConnectionUnderAPost() async throws {
        try await withPeer([[.expectHead, .close]]) { engine, peer in
            let url = "http://127.0.0.1:\(peer.port)/"
            engine.prewarm(try engine.route(to: url), connections: 1)
            try await eventually("it is idle") { engine.snapshot().idle == 1 }
            let error = await transportError {
                _ = try await self.send(.plainPost, "/", engine, peer)
            }
            #expect(error?.replay == .unknown)
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "row 14, R28: an end while idle is noticed before the connection is used",
        arguments: [ScriptedPeer.Step.close, .halfClose, .reset])
    func endWhileIdle(_ ending: ScriptedPeer.Step) async throws {
        let first = [.expectHead, Self.answer, .waitForSignal("go"), ending, .silence]
        try await withPeer([first, [.expectHead, Self.answer, .silence]]) { engine, peer in
            try await self.expectAnswer(.get, "/0", engine, peer)
            #expect(engine.snapshot().idle == 1)
            peer.release("go")
            try await eventually("the end is noticed") { engine.snapshot().connections == 0 }
            let closes = engine.snapshot().counters.closes
            #expect(closes.keys.allSatisfy { ["peerClosed", "transportError"].contains($0) })
            try await self.expectAnswer(.plainPost, "/1", engine, peer)
            #expect(peer.connectionCount == 2)
        }
    }

    @Test(
        "row 15, R28: unsolicited bytes close the connection and answer no request",
        arguments: [
            "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwrong\n", "garbage", "\0",
        ], [false, true])
    func unsolicitedBytes(_ bytes: String, comesWithTheAnswer: Bool) async throws {
        let pause = comesWithTheAnswer ? [] : [ScriptedPeer.Step.waitForSignal("go")]
        var first: [ScriptedPeer.Step] = [.expectHead, Self.answer]
        if comesWithTheAnswer, case .sendText(let text) = Self.answer {
            first = [.expectHead, .sendText(text + bytes), .silence]
        } else {
            first += pause + [.sendText(bytes), .silence]
        }
        try await withPeer([first, [.expectHead, Self.answer, .silence]]) { engine, peer in
            try await self.expectAnswer(.get, "/0", engine, peer)
            peer.release("go")
            try await eventually("they are noticed") { engine.snapshot().connections == 0 }
            #expect(engine.snapshot().counters.closes(.idleTimeout) == 0)
            try await self.expectAnswer(.plainPost, "/1", engine, peer)
            #expect(peer.connectionCount == 2)
        }
    }

    /// The caller is the loop's own, and keeps it from hearing of what the peer does.
    @Test(
        "rows 14 and 15, R28: an end that was not reported yet is found before a request is sent",
        arguments: [
            (ScriptedPeer.Step.close, true), (.reset, true), (.sendText("garbage"), false),
            (.sendText("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwrong\n"), false),
        ], Sent.allCases)
    func anEndThatTheLoopHasNotReportedYet(
        _ news: (step: ScriptedPeer.Step, isEnd: Bool), _ sent: Sent
    ) async throws {
        let first = [.expectHead, Self.answer, .waitForSignal("go"), news.step, .silence]
        try await withPeer([first, [.expectHead, Self.answer, .silence]]) { engine, peer in
            try await Task(executorPreference: engine.taskExecutor) {
                try await self.expectAnswer(.get, "/0", engine, peer)
                peer.release("go")
                #expect(
                    news.isEnd
                        ? peer.waitUntilClosed(connection: 0)
                        : peer.waitUntil(connection: 0) { $0.steps >= 4 })
                try await self.expectAnswer(sent, "/1", engine, peer)
            }.value
            #expect(peer.connectionCount == 2)
            #expect(!peer.transcript(0).text.contains("/1 HTTP"))
        }
    }

    @Test("R29: a peer that sends before any request has answered no request")
    func newsBeforeTheFirstRequest() async throws {
        let wrong = ScriptedPeer.Step.sendText(
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwrong\n")
        let scripts = [[wrong, .expectHead, .silence], [.expectHead, Self.answer, .silence]]
        try await withPeer(scripts) { engine, peer in
            let url = "http://127.0.0.1:\(peer.port)/"
            engine.prewarm(try engine.route(to: url), connections: 1)
            try await eventually("it is noticed") {
                engine.snapshot().counters.closes(.unsolicitedBytes) == 1
            }
            try await self.expectAnswer(.plainPost, "/", engine, peer)
            #expect(peer.connectionCount == 2)
        }
    }

    @Test("R29: bytes that come with a proxy's answer have answered no request")
    func newsWithAProxysAnswer() async throws {
        let wrong = Array("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwrong\n".utf8)
        let greeting: [ScriptedPeer.Step] = [.expectBytes(3), .send([5, 0]), .expectBytes(16)]
        let success: [UInt8] = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80]
        let scripts: [[ScriptedPeer.Step]] = [
            greeting + [.send(success + wrong), .silence],
            greeting + [.send(success), .expectHead, Self.answer, .silence],
        ]
        try await withPeer(scripts) { engine, peer in
            var options = RequestOptions()
            options.proxy = try ProxySetting(parsing: "socks5h://127.0.0.1:\(peer.port)")
            let url = "http://name.test/"
            engine.prewarm(try engine.route(to: url, options: options), connections: 1)
            try await eventually("it is noticed") {
                engine.snapshot().counters.closes(.unsolicitedBytes) == 1
            }
            let response = try await engine.send(.get(url), options: options)
            #expect(String(try await response.body.collect(upTo: 100)) == "ok\n")
        }
    }

    @Test("row 95: a server that closes at random after one to five answers")
    func surpriseCloses() async throws {
        // 3400 of each kind are 10,200 requests.
        let count = Soak.rounds(3400, short: 1000)
        var generator = SplitMix(seed: 95)
        let scripts = (0..<3 * count).map { _ in
            let served = Int.random(in: 1...5, using: &generator)
            return Array(
                repeating: [ScriptedPeer.Step.expectHead, Self.answer], count: served
            ).flatMap { $0 } + [.close]
        }
        try await withPeer(scripts) { engine, peer in
            let failures = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for index in stride(from: worker, to: count, by: 8) {
                            for sent in [Sent.get, .keyedPost, .plainPost] {
                                let path = "/\(sent)-\(index)-"
                                do {
                                    let text = try await self.send(sent, path, engine, peer)
                                    #expect(text == "ok\n")
                                } catch let error as TransportError where sent == .plainPost {
                                    // Unclear, so it is the caller's to decide; never sent twice.
                                    #expect(error.replay == .unknown)
                                    #expect(error.isReused)
                                    failures.change { $0 += 1 }
                                }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let seen = self.requests(at: peer)
            let twice = seen.filter { $0.value > 1 }
            #expect(twice.filter { $0.key.contains("plainPost") }.isEmpty)
            // What the server saw beyond one of each is what the engine says that it sent again.
            let extra = twice.values.reduce(0) { $0 + $1 - 1 }
            #expect(extra <= engine.snapshot().counters.replays)
            Soak.report(
                "row 95: \(3 * count) requests, \(failures.value) plain POSTs left to the caller, "
                    + "\(engine.snapshot().counters.replays) replays, \(extra) of them seen twice, "
                    + "0 of a plain POST")
            for sent in [Sent.get, .keyedPost] {
                #expect(seen.count { $0.key.contains(sent.rawValue) } == count)
            }
            #expect(failures.value < count)
        }
    }

    @Test("row 97: a server's Keep-Alive: timeout, less the margin, ends a connection before it")
    func keepAliveHint() async throws {
        var tuning = EngineTuning.executor
        tuning.http1.keepAliveMargin = .milliseconds(950)
        let hinting = ScriptedPeer.Step.sendText(
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 3\r\n\r\nok\n")
        let script = [ScriptedPeer.Step.expectHead, hinting, .readUntilEnd]
        try await withPeer([script, script], tuning: tuning) { engine, peer in
            let silent = try ScriptedPeer(everyConnection: [.expectHead, Self.answer, .silence])
            try await self.expectAnswer(.get, "/", engine, silent)
            try await self.expectAnswer(.get, "/", engine, peer)
            try await eventually("the hinted connection is closed by us") {
                peer.transcript(0).hasEnded
            }
            // Without a hint it stays for as long as the tuning says.
            #expect(engine.snapshot().idle == 1)
            try await self.expectAnswer(.get, "/", engine, peer)
            #expect(peer.connectionCount == 2)
            await engine.shutdown()
            silent.stop()
        }
    }

    @Test("row 97: the margin takes a quarter of a short hint at most, which leaves time for use")
    func aShortKeepAliveHintLeavesTimeForUse() async throws {
        var tuning = EngineTuning.executor
        tuning.http1.keepAliveMargin = .seconds(3600)
        let hinting = ScriptedPeer.Step.sendText(
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3600\r\nContent-Length: 3\r\n\r\nok\n")
        let script = [.expectHead, hinting, .expectHead, hinting, ScriptedPeer.Step.readUntilEnd]
        try await withPeer([script, script], tuning: tuning) { engine, peer in
            for _ in 0..<2 { try await self.expectAnswer(.get, "/", engine, peer) }
            #expect(peer.connectionCount == 1)
        }
    }

    // MARK: Support

    /// Nothing but the peer ends an idle connection, unless the tuning says so.
    private static let patient: EngineTuning = {
        var tuning = relaxedTuning
        tuning.pool.idleTimeout = nil
        return tuning
    }()

    private func withPeer(
        _ scripts: [[ScriptedPeer.Step]], tuning: EngineTuning = patient,
        _ body: (TransportEngine, ScriptedPeer) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(scripts)
        let engine = try TransportEngine(tuning)
        do {
            try await body(engine, peer)
        } catch {
            Issue.record(error)
        }
        await engine.shutdown()
        #expect(descriptors(connectedTo: peer.port) == 0)
        peer.stop()
    }

    private func send(
        _ sent: Sent, _ path: String, _ engine: TransportEngine, _ peer: ScriptedPeer
    ) async throws -> String {
        let url = "http://127.0.0.1:\(peer.port)\(path)"
        var request = sent == .get ? try HTTPRequest.get(url) : try HTTPRequest.post(url)
        if sent == .keyedPost, let key = HTTPField.Name("Idempotency-Key") {
            request.headerFields[key] = path
        }
        var body = RequestBody.empty
        if sent == .oneShotPost { body = .oneShot { Pieces([Bytes("once")]) } }
        return String(try await engine.send(request, body: body).body.collect(upTo: 100))
    }

    private func expectAnswer(
        _ sent: Sent, _ path: String, _ engine: TransportEngine, _ peer: ScriptedPeer
    ) async throws {
        let text = try await send(sent, path, engine, peer)
        #expect(text == "ok\n")
    }

    /// How often each path was asked for, over all connections.
    private func requests(at peer: ScriptedPeer) -> [Substring: Int] {
        var seen: [Substring: Int] = [:]
        for index in 0..<peer.connectionCount {
            for line in peer.transcript(index).text.split(separator: "\r\n")
            where line.hasSuffix(" HTTP/1.1") {
                seen[line.split(separator: " ")[1], default: 0] += 1
            }
        }
        return seen
    }
}
