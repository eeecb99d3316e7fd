import Apus
import Glibc
import Loopback
import Testing

/// Waiting requests fail soon when a dial fails or hangs, and with that dial's own error.
@Suite(.timeLimit(.minutes(5))) struct DialFailureTests {
    /// The pause after a failed dial lasts until the test is over.
    private static let paused: EngineTuning = {
        var tuning = relaxedTuning
        tuning.pool.dialBackoff = .seconds(3600)
        tuning.pool.maxDialBackoff = .seconds(3600)
        tuning.pool.acquireTimeout = .seconds(5)
        return tuning
    }()

    @Test func aRefusedDialFailsEverybodyWhoSharedItWithItsOwnError() async throws {
        let refusing = try RefusingPort()
        try await withEngine(Self.paused, ports: [refusing.port]) { engine in
            let url = "https://127.0.0.1:\(refusing.port)/"
            let errors = await withTaskGroup(of: TransportError?.self) { group in
                for _ in 0..<30 { group.addTask { await dialError(engine, url) } }
                return await group.reduce(into: [TransportError?]()) { $0.append($1) }
            }
            for error in errors {
                #expect(error?.kind == .connect(errno: ECONNREFUSED))
                #expect(error?.phase == .connect)
                #expect(error?.attempts.map(\.address) == ["127.0.0.1:\(refusing.port)"])
            }
            #expect(engine.snapshot().counters.dials == 1)
        }
    }

    @Test(arguments: ["http", "https"])
    func inThePauseAfterAFailedDialARequestFailsAtOnceWithItsError(_ scheme: String) async throws {
        let refusing = try RefusingPort()
        try await withEngine(Self.paused, ports: [refusing.port]) { engine in
            for _ in 0..<3 {
                let error = await dialError(engine, "\(scheme)://127.0.0.1:\(refusing.port)/")
                #expect(error?.kind == .connect(errno: ECONNREFUSED))
                #expect(error?.phase == .connect)
                #expect(error?.attempts.count == 1)
            }
            #expect(engine.snapshot().counters.dials == 1)
        }
    }

    @Test func aDialThatHangsDelaysOnlyItsOwnRequest() async throws {
        try FixturePaths.ensureCertificates()
        let answer: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ]
        let peer = try ScriptedPeer(
            [[.silence]],
            otherwise: [.startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"])]
                + (0..<8).flatMap { _ in answer } + [.readUntilEnd])
        defer { peer.stop() }
        var tuning = relaxedTuning
        tuning.pool.hedgeDelay = .milliseconds(20)
        try await withEngine(tuning, ports: [peer.port]) { engine in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await expectStatus(200, engine, "https://localhost:\(peer.port)/")
                    }
                }
                try await group.waitForAll()
            }
            #expect(peer.transcript(0).received.isEmpty)
        }
    }

    @Test(arguments: ["http", "https"])
    func theWaitForADialEndsInTheDialsOwnTimeout(_ scheme: String) async throws {
        let listener = try FullListener()
        var tuning = relaxedTuning
        tuning.pool.acquireTimeout = .milliseconds(50)
        tuning.dial.tcpTimeout = .milliseconds(300)
        try await withEngine(tuning) { engine in
            let errors = await withTaskGroup(of: TransportError?.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        await dialError(engine, "\(scheme)://127.0.0.1:\(listener.port)/")
                    }
                }
                return await group.reduce(into: [TransportError?]()) { $0.append($1) }
            }
            for error in errors {
                #expect(error?.kind == .timeout)
                #expect(error?.phase == .connect)
                #expect(error?.attempts.map(\.outcome) == ["no answer in time"])
            }
            expectEmpty(engine)
        }
    }
}
