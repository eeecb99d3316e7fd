import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Many requests at once: over connections that carry few each, and over a peer's stream limit.
@Suite struct HTTP2BurstTests {
    @Test func goAwaysInABurstFailNothingAndDoubleNothing() async throws {
        // Each connection processes exactly 50 requests and then says so; what else had come is
        // unprocessed.
        let streams = (0..<50).map { Int32($0 * 2 + 1) }
        let script =
            [.send(Frames.settings())]
            + streams.flatMap { [.request($0), .signal("some"), .send(Frames.answer($0))] }
            + [ScriptedPeer.Step.send(Frames.goAway(99)), .readUntilEnd]
        let scripts = [[ScriptedPeer.Step]](repeating: script, count: 40)
        try await withHTTP2(scripts: scripts) { stand in
            let answered = await burst(500) { _ = try await stand.post(.bytes(Bytes("x"))) }
            #expect(answered == 500)
            // Steps: SETTINGS, then three for each request that was processed.
            let processed = (0..<stand.peer.connectionCount).reduce(0) {
                $0 + min(50, (stand.peer.transcript($1).steps - 1) / 3)
            }
            #expect(processed == 500)
            #expect(stand.story.replays.allSatisfy { $0.replay != .unknown })
        }
    }

    @Test func aStreamLimitSpreadsABurstOverFewConnections() async throws {
        try await withStand(.http2PriorKnowledge, configure: { $0.maxConcurrentStreams = 10 }) {
            stand in
            let answered = await burst(100) {
                let response = try await stand.get("/")
                _ = try await response.body.collect(upTo: 100)
            }
            #expect(answered == 100)
            let counters = stand.server.counters
            #expect(counters.peakConnections <= 8)
            #expect(counters.peakRequests <= counters.peakConnections * 10)
            #expect(counters.requests == 100)
        }
    }

    /// How many of so many operations, all at once, went well; each failure is an issue.
    private func burst(
        _ count: Int, _ operation: @escaping @Sendable () async throws -> Void
    ) async -> Int {
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<count {
                group.addTask {
                    do {
                        try await operation()
                        return true
                    } catch {
                        Issue.record(error)
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
    }
}
