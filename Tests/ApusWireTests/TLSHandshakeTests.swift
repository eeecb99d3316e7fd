import ApusCore
import ApusSocket
import ApusTLS
import ApusWire
import Loopback
import Testing

/// One TLS handshake over a wire, until its engine is the wire's topmost layer.
@Suite(.timeLimit(.minutes(5))) struct TLSHandshakeTests {
    /// Owns a wire while its handshake goes on, then hands it over to the wire's reader.
    ///
    /// Unchecked, because it is confined to its wire's loop.
    private final class Driver: WireOwner, @unchecked Sendable {
        private let wire: Wire
        private let reader: WireReader
        private let verdict: PeerVerifier.Verdict
        private var handshake: TLSHandshake?
        private(set) var judged: [String] = []
        private(set) var sessions = 0
        let outcome = FirstAnswer<Result<TLSFacts, WireError>>()

        init(_ wire: Wire, _ reader: WireReader, _ verdict: PeerVerifier.Verdict) {
            self.wire = wire
            self.reader = reader
            self.verdict = verdict
        }

        func start(_ engine: TLSEngine) {
            wire.handOver(to: self)
            handshake = TLSHandshake(engine, over: wire) { [weak self] _ in self?.sessions += 1 }
            goOn()
        }

        func wireReadable() { goOn() }
        func wireWritable() {}

        private func goOn() {
            do throws(WireError) {
                while let progress = try handshake?.advance() {
                    switch progress {
                    case .complete(let facts): return finish(.success(facts))
                    case .needsVerdict(let peer):
                        judged.append(peer.name)
                        handshake?.verdictGiven(verdict)
                    case .needsBytes: guard wire.mayHaveInput else { return }
                    }
                }
            } catch {
                finish(.failure(error))
            }
        }

        private func finish(_ result: Result<TLSFacts, WireError>) {
            handshake = nil
            wire.handOver(to: reader)
            outcome.give(result)
            if case .success = result { reader.readAll() }
        }
    }

    private func settings(_ roots: String = "ca", isJudged: Bool = false) throws -> EngineTuning.TLS
    {
        try FixturePaths.ensureCertificates()
        var settings = EngineTuning.TLS()
        settings.roots = .file(FixturePaths.pem(roots))
        if isJudged { settings.verifier = PeerVerifier { _, _ in {} } }
        return settings
    }

    /// Runs the handshake of a wire; how it ended, and who drove it.
    private func handshake(
        over stand: WireStand, _ settings: EngineTuning.TLS, alpn: [String] = [],
        verdict: PeerVerifier.Verdict = .accept
    ) async throws -> (Result<TLSFacts, WireError>, Driver) {
        let context = try TLSContext(settings, alpn: alpn)
        let driver = Driver(stand.wire, stand.reader, verdict)
        let isStarted = await stand.onLoop { _, _ in
            guard let engine = try? TLSEngine(context, serverName: "localhost", session: nil) else {
                return false
            }
            driver.start(engine)
            return true
        }
        try #require(isStarted)
        let result = await withTaskCancellationHandler {
            await driver.outcome.wait()
        } onCancel: {
            // The test is over at its time limit.
            driver.outcome.give(.failure(.endInHandshake))
        }
        return (result, driver)
    }

    private static let leaf = FixturePaths.certificate("leaf")

    @Test func itsEngineBecomesALayerOfTheWire() async throws {
        let script: [ScriptedPeer.Step] = [
            .startTLS(Self.leaf, alpn: ["h2"]), .sendText("first"), .expectBytes(5),
            .sendText("second"), .readUntilEnd,
        ]
        try await withWire(script) { stand in
            let (result, driver) = try await handshake(
                over: stand, try settings(), alpn: ["h2", "http/1.1"])
            let facts = try result.get()
            #expect(facts.alpn == "h2")
            #expect(driver.judged.isEmpty)
            #expect(await stand.received(5) == Array("first".utf8))
            await stand.onLoop { wire, _ in wire.send(Array("12345".utf8)) }
            #expect(await stand.received(11) == Array("firstsecond".utf8))
            #expect(stand.peer.transcript(0).text == "12345")
            // Tickets came before the bytes.
            let sessions = await stand.onLoop { wire, _ -> [Int] in
                let before = driver.sessions
                wire.keepSessions()
                return [before, driver.sessions]
            }
            #expect(sessions[0] == 0)
            #expect(sessions[1] > 0)
        }
    }

    @Test func closingSaysCloseNotify() async throws {
        try await withWire([.startTLS(Self.leaf), .readUntilEnd, .signal("ended")]) { stand in
            _ = try await handshake(over: stand, try settings()).0.get()
            await stand.onLoop { wire, _ in wire.close() }
            #expect(await stand.peer.signal("ended"))
            #expect(stand.peer.transcript(0).hasEnded)
        }
    }

    @Test("an end without close_notify is an error, and one with it is none")
    func truncation() async throws {
        for (step, isInOrder) in [(ScriptedPeer.Step.close, false), (.closeNotify, true)] {
            try await withWire([.startTLS(Self.leaf), .sendText("a"), step]) { stand in
                _ = try await handshake(over: stand, try settings()).0.get()
                #expect(await stand.received(1) == Array("a".utf8))
                switch await stand.ending() {
                case .end: #expect(isInOrder)
                case .failed(.tls(let error)):
                    #expect(!isInOrder)
                    #expect(error.kind == .unexpectedEnd)
                default: Issue.record("reading did not end")
                }
            }
        }
    }

    // MARK: Verdicts

    @Test func aPeerThatIsAcceptedIsAskedForOnce() async throws {
        try await withWire([.startTLS(Self.leaf), .sendText("a"), .readUntilEnd]) { stand in
            let (result, driver) = try await handshake(over: stand, try settings(isJudged: true))
            _ = try result.get()
            #expect(driver.judged == ["localhost"])
            #expect(await stand.received(1) == Array("a".utf8))
        }
    }

    @Test func aPeerThatIsRefusedEndsTheHandshake() async throws {
        try await withWire([.startTLS(Self.leaf), .readUntilEnd]) { stand in
            let (result, driver) = try await handshake(
                over: stand, try settings(isJudged: true), verdict: .refuse("not this one"))
            #expect(driver.judged == ["localhost"])
            let error = #expect(throws: WireError.self) { _ = try result.get() }
            guard case .tls(let refusal)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(refusal.message.contains("not this one"))
        }
    }

    @Test func aCertificateThatIsNotTrustedEndsTheHandshakeWithAnAlert() async throws {
        try await withWire([.startTLS(Self.leaf), .readUntilEnd]) { stand in
            let (result, _) = try await handshake(over: stand, try settings("untrusted-ca"))
            let error = #expect(throws: WireError.self) { _ = try result.get() }
            guard case .tls(let refusal)? = error, case .verify = refusal.kind else {
                Issue.record("\(String(describing: error))")
                return
            }
            // Our ClientHello and the alert: without it the peer would wait for our Finished.
            #expect(await stand.peer.connection(0) { $0.isClosed })
        }
    }

    // MARK: Peers that do not speak TLS

    @Test func anEndInTheHandshakeIsReportedAsSuch() async throws {
        // More of the ClientHello than its header.
        try await withWire([.expectBytes(100), .halfClose, .readUntilEnd]) { stand in
            let (result, _) = try await handshake(over: stand, try settings())
            let error = #expect(throws: WireError.self) { _ = try result.get() }
            guard case .endInHandshake? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func aPeerThatSpeaksHTTPIsAnErrorOfTLS() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectBytes(100), .sendText("HTTP/1.1 400 Bad Request\r\n\r\n"), .readUntilEnd,
        ]
        try await withWire(script) { stand in
            let (result, _) = try await handshake(over: stand, try settings())
            let error = #expect(throws: WireError.self) { _ = try result.get() }
            guard case .tls? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }
}
