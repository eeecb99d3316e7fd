import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Uploads that wait for one connection's window do not hold up what comes after them: incident
/// A16.
@Suite(.timeLimit(.minutes(5))) struct UploadSpreadingIncidentTests {
    private static let large = Bytes([UInt8](repeating: 0x61, count: 1 << 20))
    /// Takes the first 65,535 bytes of an upload, and opens no window before the signal.
    private static let narrow: [ScriptedPeer.Step] = [
        .send(Frames.settings()), .request(1), .expectData(1, 65_535),
        // Whatever comes from the peer shows that the body still waits.
        .send(Frames.ping()), .expectFrame(Frames.pingType, ack: true), .signal("full"),
        .waitForSignal("open"),
        .send(Frames.windowUpdate(0, 1 << 30) + Frames.windowUpdate(1, 1 << 30)),
        .expectData(1, (1 << 20) - 65_535), .send(Frames.answer(1)), .readUntilEnd,
    ]

    @Test("A16: uploads do not queue for one window")
    func uploadsDoNotQueueForOneWindow() async throws {
        var tuning = EngineTuning.default
        tuning.http2.maxWindowWait = .nanoseconds(1)
        try await withHTTP2(
            Self.narrow, [.send(Frames.settings())] + .answering(1, 3) + [.readUntilEnd],
            tuning: tuning
        ) { stand in
            async let upload = stand.post(.bytes(Self.large))
            #expect(await stand.signal("full"))
            try await eventually("a second connection") {
                stand.engine.snapshot().connectionsOpened == 2
            }
            // The upload does not end before them.
            for _ in 0..<2 { #expect(try await stand.post(.bytes(Bytes("small"))) == "ok") }
            stand.peer.release("open")
            #expect(try await upload == "ok")
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test func withoutTheOptionThereIsOneConnection() async throws {
        var tuning = EngineTuning.default
        tuning.http2.maxWindowWait = nil
        try await withHTTP2(Self.narrow, tuning: tuning) { stand in
            async let upload = stand.post(.bytes(Self.large))
            #expect(await stand.signal("full"))
            await stand.turnOfLoop()
            stand.peer.release("open")
            let answer = try await upload
            #expect(answer == "ok")
            #expect(stand.engine.snapshot().connectionsOpened == 1)
        }
    }

    /// A real path with a round trip of 120 ms, longer than `maxWindowWait`.
    @Test("A16: a large upload takes HTTP/1.1 where HTTP/2 takes it slowly")
    func aLargeUploadTakesHTTP1OnANarrowWay() async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: FixturePaths.certificate("leaf"))
        options.initialStreamWindow = 65_535
        options.connectionWindow = 65_535
        let server = try LoopbackServer(options)
        let relay = try DelayingRelay(to: server.port, delay: .milliseconds(60))
        let chronicle = Chronicle()
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning, observer: chronicle)
        func versions(_ sizes: [Int]) async throws -> [String] {
            var versions: [String] = []
            for size in sizes {
                let body = Bytes([UInt8](repeating: 0x61, count: size))
                let response = try await engine.send(
                    .post("https://localhost:\(relay.port)/sink"), body: .bytes(body))
                #expect(try await text(of: response) == "\(size)\n")
                versions.append(response.info.connection.protocolName)
            }
            return versions
        }
        #expect(try await versions([300_000]) == ["h2"])
        #expect(chronicle.words.contains("uploads of 1048560 avoid HTTP/2"))
        #expect(
            try await versions([2_000_000, 1_048_560, 1_048_559, 5])
                == ["http/1.1", "http/1.1", "h2", "h2"])
        engine.drain { _ in true }
        #expect(try await versions([1_048_560]) == ["h2"])
        await engine.shutdown()
        relay.stop()
        server.stop()
    }
}
