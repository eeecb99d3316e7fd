import Apus
import ApusSocket
import Loopback
import Testing

/// What the steps of TLS handshakes take of their loop is counted, and a slow one is an event.
@Suite(.timeLimit(.minutes(5))) struct HandshakeCostTests {
    @Test func everyHandshakeIsCounted() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        try await withEngine(ports: [server.port]) { engine in
            #expect(engine.snapshot().counters.handshakeSeconds == 0)
            try await expectStatus(200, engine, "https://localhost:\(server.port)/")
            let counters = engine.snapshot().counters
            #expect(counters.longestHandshakeStepSeconds > 0)
            #expect(counters.handshakeSeconds >= counters.longestHandshakeStepSeconds)
            try await expectStatus(200, engine, "https://localhost:\(server.port)/")
            #expect(engine.snapshot().counters.handshakeSeconds == counters.handshakeSeconds)
            #expect(counters.longestHandshakeStepSeconds < 10)
        }
    }

    @Test func aSlowStepIsCountedAndReported() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let chronicle = Chronicle()
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        // It runs within a step of the handshake, and holds the loop as costly keys would.
        tuning.tls.keyLog = TLSKeyLog { _ in spend(.milliseconds(120)) }
        let engine = try TransportEngine(tuning, observer: chronicle)
        try await expectStatus(200, engine, "https://localhost:\(server.port)/")
        let counters = engine.snapshot().counters
        #expect(counters.slowHandshakeSteps >= 1)
        #expect(counters.longestHandshakeStepSeconds >= 0.12)
        await engine.shutdown()
        #expect(chronicle.words.filter { $0 == "slow step" }.count >= 1)
    }
}

/// Keeps the calling thread's processor busy.
private func spend(_ duration: Duration) {
    let end = ThreadTime.spent() + duration
    while ThreadTime.spent() < end {}
}
