import Apus
import CoreMetrics
import Gateway
import GatewayFixtures
import Testing

@Suite struct MetricsTests {
    @Test func theTextIsThatOfPrometheus() {
        let metrics = PrometheusMetrics()
        for _ in 1...2 {
            Counter(label: "a.requests", dimensions: [("path", "x\"\\\n")], factory: metrics)
                .increment(by: 2)
        }
        Meter(label: "b-open", dimensions: [], factory: metrics).set(2.5)
        let timer = Timer(label: "c.time", dimensions: [("k", "v")], factory: metrics)
        timer.recordNanoseconds(1_500_000_000)
        timer.recordNanoseconds(500_000_000)
        Recorder(label: "d.size", dimensions: [], aggregate: true, factory: metrics).record(7)
        #expect(
            metrics.text == #"""
                # TYPE a_requests_total counter
                a_requests_total{path="x\"\\\n"} 4
                # TYPE b_open gauge
                b_open 2.5
                # TYPE c_time_seconds summary
                c_time_seconds_sum{k="v"} 2
                c_time_seconds_count{k="v"} 2
                # TYPE d_size summary
                d_size_sum 7
                d_size_count 1

                """#)
    }

    /// The engine's own metrics and the gateway's are in one text.
    @Test(.timeLimit(.minutes(1))) func aRequestIsCounted() async throws {
        let origin = try await ScriptedOrigin { _ in
            .text(.ok, #"{"usage":{"input_tokens":3,"output_tokens":4}}"#)
        }
        try await withGateway(configuration(origin)) { ground in
            _ = try await ground.post("/v1/messages").body.collect(upTo: 1000)
            #expect(await eventually { ground.gateway.journal.totals.complete == 1 })
            let response = try await ground.get("/metrics")
            #expect(
                response.head.headerFields[.contentType]
                    == "text/plain; version=0.0.4; charset=utf-8")
            let lines = String(try await response.body.collect(upTo: 1 << 20))
                .split(separator: "\n")
            let labels = #"upstream="api",credential="only""#
            #expect(
                lines.contains(
                    "gateway_requests_total{\(labels),status=\"200\",outcome=\"complete\"} 1"))
            #expect(lines.contains("gateway_tokens_total{\(labels),kind=\"output\"} 4"))
            #expect(lines.contains { $0.hasPrefix("http_client_request_duration_seconds_count") })
            #expect(lines.contains { $0.hasPrefix("http_client_open_connections{") })
        }
        try await origin.stop()
    }
}
