import Apus
import ApusObservability
import Loopback
import MetricsTestKit
import Testing

/// The engine's events as metrics, by OpenTelemetry's names.
@Suite(.timeLimit(.minutes(5))) struct MetricsObserverTests {
    @Test func connectionsAndRequestsAreMeasured() async throws {
        let metrics = TestMetrics()
        try await withObservedEngine(MetricsObserver(factory: metrics)) { engine, server in
            let place = [("server.address", "127.0.0.1"), ("server.port", "\(server.port)")]
            let url = "http://127.0.0.1:\(server.port)"
            for _ in 0..<3 {
                _ = try await engine.send(.get(url + "/")).body.collect(upTo: 100)
            }
            let open = try metrics.expectMeter("http.client.open_connections", place)
            #expect(open.values.last == 1)
            let active = try metrics.expectMeter(
                "http.client.active_requests", place + [("http.request.method", "GET")])
            try await eventually("the last end is recorded") { active.values.count >= 6 }
            #expect(active.values == [1, 0, 1, 0, 1, 0])
            let duration = try metrics.expectTimer(
                "http.client.request.duration",
                place + [
                    ("http.request.method", "GET"), ("http.response.status_code", "200"),
                    ("network.protocol.version", "1.1"),
                ])
            #expect(duration.values.count == 3)
            #expect(duration.values.allSatisfy { $0 > 0 })
            let sizes = try metrics.expectRecorder(
                "http.client.response.body.size", place + [("http.request.method", "GET")])
            #expect(sizes.values == [6, 6, 6])
            await engine.shutdown()
            #expect(open.values.last == 0)
            let lives = try metrics.expectTimer(
                "http.client.connection.duration", place + [("apus.close_reason", "shutdown")])
            #expect(lives.values.count == 1)
        }
    }

    @Test func failuresCarryTheirType() async throws {
        let metrics = TestMetrics()
        try await withObservedEngine(MetricsObserver(factory: metrics)) { engine, server in
            _ = try await engine.send(.get("http://127.0.0.1:\(server.port)/status/503"))
                .body.collect(upTo: 100)
            await #expect(throws: TransportError.self) {
                try await engine.send(.get("http://127.0.0.1:1/"))
            }
            let types = metrics.timers.filter { $0.label == "http.client.request.duration" }
                .compactMap { $0.dimensions.first { $0.0 == "error.type" }?.1 }
            #expect(Set(types) == ["503", "connect"])
            let failures = metrics.counters.filter {
                $0.label == "http.client.connection.failures"
            }
            #expect(failures.map(\.totalValue) == [1])
        }
    }
}
