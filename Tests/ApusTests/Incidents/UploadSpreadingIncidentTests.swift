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
}
