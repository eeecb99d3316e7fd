import Apus
import Loopback
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct EngineObserverTests {
    private final class Instants: EngineObserver {
        let kept = Mutex<[(name: String, instant: EngineEvent.Instant)]>([])

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            kept.withLock { $0.append((event.words, instant)) }
        }
    }

    /// The durations of the summary are on the same clock.
    @Test("R25: each event carries its instant")
    func eachEventCarriesItsInstant() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let instants = Instants()
        let engine = try TransportEngine(relaxedTuning, observer: instants)
        let before = EngineEvent.Instant.now
        _ = try await engine.send(.get("http://localhost:\(server.port)/bytes/1000")).body.collect(
            upTo: 1 << 20)
        await engine.shutdown()
        let kept = instants.kept.withLock { $0 }
        let steps = try ["begun GET", "status 200", "completed"].map { name in
            try #require(kept.first { $0.name == name }, "\(kept.map(\.name))").instant
        }
        #expect(steps == steps.sorted())
        #expect(before <= steps[0] && steps[2] <= .now)
    }
}
