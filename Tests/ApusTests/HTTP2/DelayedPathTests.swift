import Apus
import Loopback
import Testing

/// The relay that simulates a path with latency.
///
/// The effect of windows on it depends on times, which `apus measure delay` reports.
@Suite(.timeLimit(.minutes(5))) struct DelayedPathTests {
    @Test func everyByteTakesItsTimeAndArrives() async throws {
        let server = try LoopbackServer(.init())
        let relay = try DelayingRelay(to: server.port, delay: .milliseconds(30))
        let engine = try TransportEngine(relaxedTuning)
        let client = ExecutorClient(engine)
        let url = "http://127.0.0.1:\(relay.port)/bytes/1000000"
        for _ in 0..<2 {
            let start = ContinuousClock.now
            let response = try await client.send(.get(url))
            #expect(try await checkPattern(response.body) == 1_000_000)
            // There and back; a lower bound is no bet on the machine's speed.
            #expect(start.duration(to: .now) >= .milliseconds(60))
        }
        let response = try await client.send(
            .post("http://127.0.0.1:\(relay.port)/sink"),
            body: .bytes(Bytes([UInt8](repeating: 0x61, count: 3_000_000))))
        #expect(try await text(of: response) == "3000000\n")
        #expect(server.counters.connectionsAccepted == 1)
        await engine.shutdown()
        relay.stop()
        server.stop()
    }
}
