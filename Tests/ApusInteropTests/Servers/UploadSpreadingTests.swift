import Apus
import Loopback
import Testing

/// nghttpd with its windows of 64 KiB, 150 ms away, under 26 uploads of 1 MB: incident A16.
@Suite("nghttpd far away", .timeLimit(.minutes(5)), .running(.nghttpd))
struct UploadSpreadingTests {
    private static let large = Bytes([UInt8](repeating: 0x61, count: 1_000_000))

    @Test("A16: a small POST is answered amid uploads that wait for windows")
    func aSmallPostIsAnsweredAmidUploads() async throws {
        let server = try RealServer.nghttpd.running()
        let relay = try DelayingRelay(
            to: try #require(server.ports["PORT"]), delay: .milliseconds(75))
        defer { relay.stop() }
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        let url = "https://localhost:\(relay.port)/echo"
        func post(_ body: Bytes) async throws(TransportError) {
            let response = try await engine.send(.post(url), body: .bytes(body))
            _ = try await response.body.collect(upTo: 2_000_000)
        }
        try await post(Bytes("small"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<26 {
                group.addTask { try? await post(Self.large) }
            }
            try await eventually("a second connection") {
                engine.snapshot().connectionsOpened >= 2
            }
            for _ in 0..<3 { try await post(Bytes("small")) }
            // 26 MB through these windows take many seconds.
            #expect(engine.snapshot().exchanges > 0)
            group.cancelAll()
        }
        #expect(engine.snapshot().connectionsOpened <= 8)
        await engine.shutdown()
    }
}
