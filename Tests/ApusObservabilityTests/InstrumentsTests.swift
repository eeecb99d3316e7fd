import Apus
import ApusObservability
import Loopback
import MetricsTestKit
import Testing

/// Metrics are made once, and only so many of them.
@Suite(.timeLimit(.minutes(5))) struct InstrumentsTests {
    @Test func manyServersCannotFillTheMemory() async throws {
        let metrics = TestMetrics()
        let observer = MetricsObserver(factory: metrics, maxSeries: 2)
        for port in 1...50 {
            let origin = try Origin(scheme: .http, authority: "host\(port):\(port)")
            observer.observe(
                .exchangeQueued(
                    exchange: 1, route: Route(origin: origin), waitsFor: .dial))
        }
        #expect(metrics.counters.count == 3)
        #expect(metrics.counters.map(\.totalValue).max() == 48)
    }
}
