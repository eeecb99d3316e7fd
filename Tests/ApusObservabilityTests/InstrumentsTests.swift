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

    @Test func manyValuesOfAProgramsDimensionsCannotFillTheMemory() async throws {
        let metrics = TestMetrics()
        let observer = MetricsObserver(factory: metrics, maxSeries: 2) { _, metadata in
            [("tenant", metadata?.tag ?? "")]
        }
        let route = Route(origin: try Origin(scheme: .http, authority: "host:80"))
        for tenant in 1...50 {
            observer.observe(
                .exchangeQueued(
                    exchange: 1, route: route, waitsFor: .dial,
                    metadata: RequestMetadata(tag: "\(tenant)")))
        }
        #expect(metrics.counters.count == 3)
        let rest = try #require(metrics.counters.first { $0.totalValue == 48 })
        #expect(rest.dimensions.contains { $0.0 == "tenant" && $0.1 == "_OTHER" })
    }
}
