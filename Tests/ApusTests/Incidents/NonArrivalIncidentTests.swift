import Apus
import HTTPTypes
import LoopFixtures
import Loopback
import Testing

private typealias Step = ScriptedPeer.Step

/// A request on a kept connection that its peer is just closing: incident B1.
///
/// The peer loses the request on the way, closes, and gets it again from the client's system: for
/// TCP that is a request which arrives after the close.
@Suite(.timeLimit(.minutes(5))) struct NonArrivalIncidentTests {
    private static let answer = Step.sendText("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
    private static let tls = Step.startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"])
    /// Answers one request and loses the next.
    private static let begun: [Step] = [
        .expectHead, .loseInput, answer, .untilLost,
    ]
    /// Answers a request with a body of so many bytes.
    private static func served(_ count: Int) -> [Step] {
        [.expectHead] + (count > 0 ? [.expectBytes(count)] : []) + [answer, .silence]
    }

    /// How the connection is made, and what the peer does before it speaks HTTP.
    enum Way: String, CaseIterable, Sendable {
        case clear, tls, forwarded, connect, socks, clearSOCKS

        var isTLS: Bool { [.tls, .connect, .socks].contains(self) }

        fileprivate var opening: [Step] {
            let greeting: [Step] = [
                .expectBytes(3), .send([5, 0]), .expectBytes(4 + 1 + 9 + 2),
                .send([5, 0, 0, 1, 127, 0, 0, 1, 0, 80]),
            ]
            let tunnel: [Step]
            switch self {
            case .clear, .tls, .forwarded: tunnel = []
            case .connect: tunnel = [.expectHead, .sendText("HTTP/1.1 200 OK\r\n\r\n")]
            case .socks, .clearSOCKS: tunnel = greeting
            }
            return tunnel + (isTLS ? [NonArrivalIncidentTests.tls] : [])
        }

        func proxy(_ port: UInt16) throws -> ProxySetting? {
            switch self {
            case .clear, .tls: nil
            case .forwarded, .connect: try ProxySetting(parsing: "http://127.0.0.1:\(port)")
            case .socks, .clearSOCKS: try ProxySetting(parsing: "socks5h://127.0.0.1:\(port)")
            }
        }
    }

    /// An engine and its peer.
    private struct Scene {
        let engine: TransportEngine
        let peer: ScriptedPeer
        let way: Way

        func post(
            _ path: String, _ body: RequestBody = .empty,
            _ change: (inout RequestOptions) -> Void = { _ in }
        ) async throws -> String {
            var options = RequestOptions()
            if let proxy = try way.proxy(peer.port) { options.proxy = proxy }
            change(&options)
            let url = "\(way.isTLS ? "https" : "http")://localhost:\(peer.port)\(path)"
            let response = try await engine.send(.post(url), body: body, options: options)
            return String(try await response.body.collect(upTo: 100))
        }

        /// The second request on the connection, which is lost.
        func lostPost(
            _ body: RequestBody = .empty, _ change: (inout RequestOptions) -> Void = { _ in }
        ) async throws -> String {
            let first = try await post("/0")
            #expect(first == "ok\n")
            return try await post("/1", body, change)
        }

        func lostPostFails(
            _ body: RequestBody = .empty, _ change: (inout RequestOptions) -> Void = { _ in }
        ) async throws -> TransportError {
            let error = await transportError { _ = try await lostPost(body, change) }
            return try #require(error)
        }
    }

    private func play(
        _ scripts: [[Step]], over way: Way = .clear,
        _ tune: (inout EngineTuning) -> Void = { _ in }, _ body: (Scene) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(scripts.map { way.opening + $0 })
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tune(&tuning)
        let engine = try TransportEngine(tuning)
        do {
            try await body(Scene(engine: engine, peer: peer, way: way))
        } catch {
            Issue.record(error)
        }
        await engine.shutdown()
        #expect(descriptors(connectedTo: peer.port) == 0)
        peer.stop()
    }

    @Test(
        "row 12, B1: a POST that arrives after the peer's close is sent again",
        arguments: [Way.clear, .tls, .forwarded, .connect, .socks], [0, 200_000])
    func aPostThatArrivesAfterTheClose(_ way: Way, _ size: Int) async throws {
        let end: [Step] = (way.isTLS ? [.closeNotify] : []) + [.endBothWays, .receiveAgain, .close]
        try await play([Self.begun + end, Self.served(size)], over: way) { scene in
            let bytes = Bytes([UInt8](repeating: 7, count: size))
            let body = size == 0 ? RequestBody.empty : .bytes(bytes)
            let text = try await scene.lostPost(body)
            #expect(text == "ok\n")
            #expect(scene.peer.connectionCount == 2)
            #expect(!scene.peer.transcript(0).text.contains("/1 HTTP"))
            #expect(scene.engine.snapshot().counters.replays == 1)
        }
    }

    @Test("B1: where the body cannot be made again, the error says that nothing arrived")
    func theVerdictOfWhatCannotBeSentAgain() async throws {
        try await play([Self.begun + [.endBothWays, .receiveAgain, .close]]) { scene in
            let error = try await scene.lostPostFails(.oneShot { Pieces([Bytes("once")]) })
            #expect(error.replay == .notReceived)
            #expect(error.advice == .sendAgainHere)
            #expect(error.isReused)
            let end = try #require(error.connectionEnd)
            #expect(end.sign == .fin)
            #expect(end.bytesAcknowledged == 0)
            let written = try #require(end.bytesWritten)
            #expect(written > 0)
            #expect(
                "\(error)".contains("; 0 of \(end.bytesWritten ?? 0) bytes written acknowledged"))
            #expect(scene.peer.connectionCount == 1)
        }
    }

    @Test("row 12, B1: a peer that has ended its own direction alone may read the POST")
    func aHalfClosingPeerReadsThePost() async throws {
        let script = Self.begun + [.halfClose, .receiveAgain, .expectHead, .readUntilEnd]
        try await play([script]) { scene in
            let error = try await scene.lostPostFails()
            #expect(error.replay == .unknown)
            let end = try #require(error.connectionEnd)
            #expect(end.bytesAcknowledged == end.bytesWritten)
            #expect(await scene.peer.connection(0) { $0.text.contains("POST /1 ") })
            #expect(scene.peer.connectionCount == 1)
        }
    }

    @Test("B1: while neither a reset nor an acknowledgement comes, nothing is proven")
    func silenceAfterTheEndProvesNothing() async throws {
        try await play([Self.begun + [.halfClose, .silence]]) { scene in
            let error = try await scene.lostPostFails()
            #expect(error.kind == .truncated && error.replay == .unknown)
            #expect(error.connectionEnd?.bytesAcknowledged == 0)
            #expect(scene.peer.connectionCount == 1)
        }
    }

    @Test("B1: a timeout and a cancellation end the wait for a proof")
    func theWaitForAProofEndsWithTheRequest() async throws {
        let script = Self.begun + [.halfClose, .signal("ended"), .silence]
        try await play([script]) { scene in
            let error = try await scene.lostPostFails { $0.totalTimeout = .milliseconds(1) }
            #expect(error.kind == .timeout)
        }
        try await play([script]) { scene in
            let task = Task { try await scene.lostPostFails() }
            #expect(await scene.peer.signal("ended"))
            task.cancel()
            let kind = try await task.value.kind
            // It may have ended before.
            #expect(kind == .cancelled || kind == .truncated)
        }
    }

    @Test("B1: a reset without an end before it proves nothing")
    func aResetAlone() async throws {
        try await play([Self.begun + [.reset]]) { scene in
            let error = try await scene.lostPostFails()
            #expect(error.kind == .reset && error.replay == .unknown)
            #expect(error.connectionEnd?.sign == .reset)
            #expect(error.connectionEnd?.bytesAcknowledged == 0)
            #expect(scene.peer.connectionCount == 1)
        }
        try await play([[.expectHead, Self.answer, .expectHead, .reset]]) { scene in
            let first = try await scene.post("/0")
            #expect(first == "ok\n")
            let error = await transportError { _ = try await scene.post("/1") }
            #expect(error?.kind == .reset && error?.replay == .unknown)
            let end = try #require(error?.connectionEnd)
            let written = try #require(end.bytesWritten)
            let acknowledged = try #require(end.bytesAcknowledged)
            #expect(acknowledged <= written)
            #expect(scene.peer.connectionCount == 1)
        }
    }

    @Test("B1: under TLS the origin says itself that it ends, and a relay's FIN is not its word")
    func anEndThatIsNotTheSpeakers() async throws {
        for way in [Way.tls, .connect, .clearSOCKS] {
            try await play([Self.begun + [.endBothWays, .receiveAgain, .close]], over: way) {
                scene in
                let error = try await scene.lostPostFails()
                #expect(error.replay == .unknown, "\(way)")
                #expect(scene.peer.connectionCount == 1)
            }
        }
    }

    @Test("B1: without the option the error comes at once, and nothing is proven")
    func theSwitch() async throws {
        let script = Self.begun + [.endBothWays, .receiveAgain, .close]
        try await play([script], { $0.http1.detectsNonArrival = false }) { scene in
            let error = try await scene.lostPostFails()
            #expect(error.replay == .unknown)
            #expect(scene.peer.connectionCount == 1)
        }
    }

    /// What a peer does with the second request of a connection.
    private enum Ending: CaseIterable {
        case closesBefore, readsAndCloses, readsAndResets, readsHalfClosed
        case answers
        /// As it happens: the close and the request cross each other.
        case closesSometime

        var script: [Step] {
            let first: [Step] = [.expectHead, answer]
            switch self {
            case .closesBefore: return begun + [.endBothWays, .receiveAgain, .close]
            case .readsAndCloses: return first + [.expectHead, .close]
            case .readsAndResets: return first + [.expectHead, .reset]
            case .readsHalfClosed:
                return begun + [.halfClose, .receiveAgain, .expectHead, .readUntilEnd]
            case .answers: return first + [.expectHead, answer, .close]
            case .closesSometime: return first + [.close]
            }
        }
    }

    @Test("row 12, B1: over hundreds of races no POST is acted on twice")
    func races() async throws {
        let count = Soak.rounds(4000, short: 400)
        var generator = SplitMix(seed: 17)
        let endings = (0..<count).map { _ in
            Ending.allCases.randomElement(using: &generator) ?? .answers
        }
        let served: [Step] = Array(repeating: [.expectHead, Self.answer], count: 50).flatMap { $0 }
        let peer = try ScriptedPeer(endings.map(\.script), otherwise: served)
        var tuning = relaxedTuning
        tuning.pool.learnsIdleTime = false
        let engine = try TransportEngine(tuning)
        let scene = Scene(engine: engine, peer: peer, way: .clear)
        let outcomes = Guarded<[String: TransportError?]>([:])
        await withTaskGroup { group in
            for worker in 0..<16 {
                group.addTask {
                    for index in stride(from: worker, to: count, by: 16) {
                        let path = "/\(index)-"
                        var failure: TransportError?
                        do {
                            _ = try await scene.post(path)
                        } catch {
                            failure = error as? TransportError
                            #expect(failure != nil)
                        }
                        outcomes.withLock { [failure] in $0[path] = .some(failure) }
                    }
                }
            }
        }
        let replays = engine.snapshot().counters.replays
        await engine.shutdown()
        peer.stop()
        var seen: [String: Int] = [:]
        for index in 0..<peer.connectionCount {
            for line in peer.transcript(index).text.split(separator: "\r\n")
            where line.hasPrefix("POST ") {
                seen[String(line.split(separator: " ")[1]), default: 0] += 1
            }
        }
        var unclear = 0
        for (path, error) in outcomes.withLock({ $0 }) {
            let times = seen[path] ?? 0
            switch error?.replay {
            case nil: #expect(times == 1, "\(path) was answered")
            case .unknown:
                unclear += 1
                #expect(times <= 1, "\(path) is unclear")
            default: #expect(times == 0, "\(path): \(String(describing: error))")
            }
        }
        #expect(replays > 0 && unclear > 0)
        Soak.report("B1: \(count) POSTs, \(replays) sent again, \(unclear) unclear, none twice")
    }
}
