import Apus
import Loopback
import Testing

/// A hop that collects event streams before it passes them on is reported: incident E7.
@Suite(.timeLimit(.minutes(5))) struct BufferingIncidentTests {
    private static let head =
        "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
        + "Content-Length: 20000\r\n\r\n"
    private static let body = String(repeating: "data: hello world\n\n", count: 1053).prefix(20_000)
    /// A hop that passes the response on when it has all of it.
    private static let buffered: [ScriptedPeer.Step] = [
        .expectHead, .pause(.seconds(3)), .sendText(head + body),
    ]
    /// The same bytes over time.
    private static let streamed: [ScriptedPeer.Step] =
        [.expectHead, .sendText(head + body.prefix(15_000))]
        + [.pause(.seconds(3)), .sendText(String(body.dropFirst(15_000)))]

    private func play(
        times: Int, _ engine: TransportEngine, _ peer: ScriptedPeer
    ) async throws {
        try await withThrowingTaskGroup { group in
            for _ in 0..<times {
                group.addTask {
                    let response = try await engine.send(.get("http://localhost:\(peer.port)/"))
                    _ = try await response.body.collect(upTo: 20_000)
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("E7: a way that delivers event streams at their end is reported once")
    func aWayThatBuffersIsReportedOnce() async throws {
        let peer = try ScriptedPeer(everyConnection: Self.buffered)
        defer { peer.stop() }
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        func reports() -> Int { chronicle.words.count { $0 == "3 streams buffered" } }
        // A slow machine may spread a body; then it shows nothing.
        for _ in 0..<10 where reports() == 0 {
            try await play(times: 4, engine, peer)
        }
        #expect(reports() == 1)
        try await play(times: 4, engine, peer)
        #expect(reports() == 1)
        await engine.shutdown()
    }

    @Test func aWayThatStreamsIsNotReported() async throws {
        let peer = try ScriptedPeer(everyConnection: Self.streamed)
        defer { peer.stop() }
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        try await play(times: 8, engine, peer)
        #expect(chronicle.words.contains("completed"))
        #expect(!chronicle.words.contains("3 streams buffered"))
        await engine.shutdown()
    }
}
