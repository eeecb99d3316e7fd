import Apus
import Glibc
import Loopback
import Testing

/// Peers that speak before they are asked.
@Suite(.timeLimit(.minutes(5))) struct FirstWordsTests {
    /// When the first connection's peer speaks.
    enum Moment: CaseIterable {
        /// While the dial makes a connection of its socket.
        case dial
        /// When the pool is about to hear of the connection.
        case opening
        /// When the request has the connection and has not begun on it; the loop hears the peer.
        case lease
    }

    /// Has the first connection's peer speak at a moment, and holds the engine until it has.
    private final class Prompter: EngineObserver {
        let peer: ScriptedPeer
        let moment: Moment
        let ending: ScriptedPeer.Step
        let engine = Shared<TransportEngine?>(nil)

        init(_ peer: ScriptedPeer, _ moment: Moment, _ ending: ScriptedPeer.Step) {
            self.peer = peer
            self.moment = moment
            self.ending = ending
        }

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            switch event {
            case .connected where moment == .dial: prompt()
            case .connectionOpened where moment == .opening: prompt()
            case .exchangeStarted where moment == .lease:
                prompt()
                letTheLoopHear()
            default: break
            }
        }

        private func prompt() {
            peer.release("speak")
            switch ending {
            case .close: #expect(peer.waitUntilClosed(connection: 0))
            case .halfClose: #expect(peer.waitUntil(connection: 0) { $0.steps >= 3 })
            default: #expect(peer.waitUntil(connection: 0) { $0.steps >= 2 })
            }
        }

        /// Waits for a few turns of the loop; another thread than the loop's is held meanwhile.
        private func letTheLoopHear() {
            guard let executor = engine.value?.taskExecutor else { return }
            let isOver = Shared(false)
            Task.detached(executorPreference: executor) {
                for _ in 0..<4 { await Task.yield() }
                isOver.value = true
            }
            while !isOver.value { usleep(1000) }
        }
    }

    /// A peer that says something on its first three connections when it is prompted, ends them as
    /// the test says so, and answers on later ones; and an engine.
    private func withPeer(
        _ text: String, _ moment: Moment, then ending: ScriptedPeer.Step = .readUntilEnd,
        _ rest: [ScriptedPeer.Step] = [], refusals: Int = 1,
        _ body: (ScriptedPeer, TransportEngine) async throws -> Void
    ) async throws {
        let script: [ScriptedPeer.Step] = [.waitForSignal("speak"), .sendText(text), ending] + rest
        let peer = try ScriptedPeer(
            Array(repeating: script, count: refusals),
            otherwise: FaultStand.goodExchange + [.readUntilEnd])
        let prompter = Prompter(peer, moment, ending)
        let engine = try TransportEngine(relaxedTuning, observer: prompter)
        prompter.engine.value = engine
        do {
            try await body(peer, engine)
        } catch {
            Issue.record(error)
        }
        prompter.engine.value = nil
        await engine.shutdown()
        #expect(engine.snapshot().connections == 0)
        #expect(descriptors(connectedTo: peer.port) == 0)
        peer.stop()
    }

    private func url(_ peer: ScriptedPeer) -> String { "http://127.0.0.1:\(peer.port)/" }

    private static let busy =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"

    /// Sends a request and expects the error that says that its peer spoke first.
    private func expectFault(
        showing excerpt: String, _ peer: ScriptedPeer, _ engine: TransportEngine
    ) async {
        let error = await transportError { _ = try await engine.send(.get(url(peer))) }
        #expect(error?.kind == .malformed)
        #expect(error?.phase == .send)
        #expect(error?.replay == .notSent)
        #expect(error?.message.hasPrefix("the peer spoke first: \(excerpt): ") == true)
        #expect(error?.message.contains("secret") == false)
        #expect(peer.connectionCount == 1)
        #expect(peer.transcript(0).text.isEmpty)
        #expect(engine.snapshot().counters.replays == 0)
        #expect(engine.snapshot().counters.closes(.unsolicitedBytes) == 1)
    }

    @Test(
        "a peer of another protocol is dialled once, and the error says that it spoke first",
        arguments: [
            ("SSH-2.0-OpenSSH_9.2 secret\r\n", "\"SSH-2.0-OpenSSH_9.2\""),
            ("220 mail.example ESMTP secret\r\n", "\"220\""), ("+OK\r\n", "\"+OK\""),
            ("\u{1}\u{2}secret\n", "bytes that are not text"),
            (String(repeating: "x", count: 70_000), "\"\(String(repeating: "x", count: 32))\""),
        ], Moment.allCases)
    func anotherProtocol(_ said: (text: String, excerpt: String), _ moment: Moment) async throws {
        try await withPeer(said.text, moment, refusals: 3) { peer, engine in
            await expectFault(showing: said.excerpt, peer, engine)
        }
    }

    @Test(
        "a peer of another protocol that ends at once is dialled once too",
        arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 503 Bu"], Moment.allCases)
    func anotherProtocolThatEnds(_ text: String, _ moment: Moment) async throws {
        try await withPeer(text, moment, then: .close, refusals: 3) { peer, engine in
            let excerpt = text.hasPrefix("SSH") ? "\"SSH-2.0-OpenSSH_9.2\"" : "\"HTTP/1.1\""
            await expectFault(showing: excerpt, peer, engine)
        }
    }

    @Test(
        "an answer on accept that is no refusal, or never whole, answers no request",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 302 Found\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 503 Bu",
        ], Moment.allCases)
    func noRefusal(_ text: String, _ moment: Moment) async throws {
        try await withPeer(text, moment, refusals: 3) { peer, engine in
            await expectFault(showing: "\"HTTP/1.1\"", peer, engine)
        }
    }

    @Test("a whole refusal on accept is the answer", arguments: [false, true], Moment.allCases)
    func aWholeRefusal(isClosed: Bool, _ moment: Moment) async throws {
        let ending: ScriptedPeer.Step = isClosed ? .close : .readUntilEnd
        try await withPeer(Self.busy, moment, then: ending) { peer, engine in
            let response = try await engine.send(
                .post(url(peer)), body: .bytes(Bytes([UInt8](repeating: 7, count: 1 << 20))))
            #expect(response.status.code == 503)
            #expect(String(try await response.body.collect(upTo: 100)) == "busy")
            #expect(peer.connectionCount == 1)
            #expect(peer.transcript(0).text.isEmpty)
            // It is no connection for another request.
            let next = try await engine.send(.get(url(peer)))
            #expect(String(try await next.body.collect(upTo: 100)) == "good")
            #expect(peer.connectionCount == 2)
        }
    }

    @Test(
        "a refusal on accept without a length ends with its connection", arguments: Moment.allCases)
    func aRefusalWithoutLength(_ moment: Moment) async throws {
        let text = "HTTP/1.0 503 Busy\r\n\r\ncome later"
        try await withPeer(text, moment, then: .halfClose, [.readUntilEnd]) { peer, engine in
            let response = try await engine.send(.get(url(peer)))
            #expect(response.status.code == 503)
            #expect(String(try await response.body.collect(upTo: 100)) == "come later")
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "a refusal on accept whose body comes later is read to its end", arguments: Moment.allCases)
    func aRefusalInPieces(_ moment: Moment) async throws {
        let text = "HTTP/1.1 503 Busy\r\nContent-Length: 8\r\n\r\nbusy"
        let rest: [ScriptedPeer.Step] = [.sendText("busy"), .readUntilEnd]
        try await withPeer(text, moment, then: .waitForSignal("go"), rest) { peer, engine in
            let response = try await engine.send(.get(url(peer)))
            #expect(response.status.code == 503)
            peer.release("go")
            #expect(String(try await response.body.collect(upTo: 100)) == "busybusy")
            #expect(peer.connectionCount == 1)
        }
    }

    @Test("a refusal on a prewarmed connection answers no later request")
    func aRefusalWithoutRequest() async throws {
        try await withPeer(Self.busy, .opening) { peer, engine in
            engine.prewarm(try engine.route(to: url(peer)), connections: 1)
            try await eventually("it is noticed") {
                engine.snapshot().counters.closes(.unsolicitedBytes) == 1
            }
            let response = try await engine.send(.get(url(peer)))
            #expect(String(try await response.body.collect(upTo: 100)) == "good")
            #expect(peer.connectionCount == 2)
        }
    }
}
