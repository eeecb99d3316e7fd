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

    @Test func theChangesOfAProxyAreCounted() throws {
        let metrics = TestMetrics()
        let observer = MetricsObserver(factory: metrics)
        for target in [nil, "a.test:443"] {
            observer.observe(
                .proxyFailing(proxy: "http://p:1", target: target, because: [], for: .seconds(5)))
        }
        observer.observe(.proxyRecovered(proxy: "http://p:1", target: nil))
        let changes = try ["failing", "healthy"].map {
            try metrics.expectCounter(
                "apus.client.proxy.changes", [("apus.proxy", "http://p:1"), ("apus.state", $0)]
            ).values.reduce(0, +)
        }
        #expect(changes == [2, 1])
    }

    @Test("R25: the times to the head and to the first byte are measured")
    func theTimesToHeadAndFirstByteAreMeasured() async throws {
        let metrics = TestMetrics()
        try await withObservedEngine(MetricsObserver(factory: metrics)) { engine, server in
            let url = "http://127.0.0.1:\(server.port)"
            _ = try await engine.send(.get(url + "/")).body.collect(upTo: 100)
            // Without a body there is no first byte.
            _ = try await engine.send(.get(url + "/status/204")).body.collect(upTo: 100)
            await engine.shutdown()
            let dimensions = [
                ("server.address", "127.0.0.1"), ("server.port", "\(server.port)"),
                ("http.request.method", "GET"),
            ]
            let head = try metrics.expectTimer("apus.client.request.time_to_head", dimensions)
            let first = try metrics.expectTimer(
                "apus.client.request.time_to_first_byte", dimensions)
            #expect(head.values.count == 2 && first.values.count == 1)
            let whole = try metrics.expectTimer(
                "http.client.request.duration",
                dimensions + [
                    ("http.response.status_code", "200"), ("network.protocol.version", "1.1"),
                ])
            #expect(head.values[0] > 0 && head.values[0] <= first.values[0])
            #expect(first.values[0] <= whole.values[0])
        }
    }

    @Test func aSnapshotIsRecordedInGauges() async throws {
        let metrics = TestMetrics()
        let observer = MetricsObserver(factory: metrics)
        try await withObservedEngine(observer) { engine, server in
            func connections(_ state: String) throws -> Double? {
                try metrics.expectMeter("apus.engine.connections", [("apus.state", state)])
                    .values.last
            }
            let response = try await engine.send(
                .get("http://127.0.0.1:\(server.port)/head-then-hang"))
            observer.record(engine.snapshot())
            #expect(try connections("leased") == 1 && connections("idle") == 0)
            response.cancel()
            await engine.shutdown()
            observer.record(engine.snapshot())
            #expect(try connections("leased") == 0 && connections("dialling") == 0)
            #expect(try metrics.expectMeter("apus.engine.waiting_requests").values == [0, 0])
        }
    }

    @Test func theProgramAddsDimensionsOfItsOwn() async throws {
        let metrics = TestMetrics()
        let observer = MetricsObserver(factory: metrics) { route, metadata in
            [("scheme", route.origin.scheme.rawValue), ("tenant", metadata?.tag ?? "")]
        }
        try await withObservedEngine(observer) { engine, server in
            let place = [("server.address", "127.0.0.1"), ("server.port", "\(server.port)")]
            let url = "http://127.0.0.1:\(server.port)/"
            for tag in ["a", "b", "a"] {
                var options = RequestOptions()
                options.metadata = RequestMetadata(tag: tag)
                _ = try await engine.send(.get(url), options: options).body.collect(upTo: 100)
            }
            _ = try metrics.expectMeter(
                "http.client.open_connections", place + [("scheme", "http"), ("tenant", "")])
            for (tag, count) in [("a", 2), ("b", 1)] {
                let own = place + [("scheme", "http"), ("tenant", tag)]
                let method = [("http.request.method", "GET")]
                let active = try metrics.expectMeter("http.client.active_requests", own + method)
                try await eventually("the last end is recorded") {
                    active.values.count == 2 * count
                }
                let sizes = try metrics.expectRecorder(
                    "http.client.response.body.size", own + method)
                #expect(sizes.values.count == count)
            }
        }
    }

    /// Whether the body was complete when it was dropped is chance, so it makes no difference.
    @Test func aRefusedAnswerCountsByItsStatusHoweverItsBodyEnds() async throws {
        let metrics = TestMetrics()
        try await withObservedEngine(MetricsObserver(factory: metrics)) { engine, server in
            let base = "http://127.0.0.1:\(server.port)"
            for round in 0..<50 {
                // Dropped before or after its end.
                let response = try await engine.send(.get("\(base)/status/503"))
                if round % 3 == 0 { response.cancel() }
            }
            func types() -> [String?] {
                metrics.timers.filter { $0.label == "http.client.request.duration" }
                    .flatMap { timer in
                        let type = timer.dimensions.first { $0.0 == "error.type" }?.1
                        return timer.values.map { _ in type }
                    }
            }
            try await eventually("all have ended") { types().count == 50 }
            #expect(types().allSatisfy { $0 == "503" })
        }
        // The same without chance: the events of an exchange that ended before its body.
        let direct = TestMetrics()
        let observer = MetricsObserver(factory: direct)
        let peer = try ScriptedPeer([
            [
                .expectHead, .sendText("HTTP/1.1 429 Slow\r\nContent-Length: 9\r\n\r\n"),
                .readUntilEnd,
            ],
            [
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
                .readUntilEnd,
            ],
        ])
        defer { peer.stop() }
        try await withObservedEngine(observer) { engine, _ in
            for _ in 0..<2 {
                _ = try await engine.send(.get("http://127.0.0.1:\(peer.port)/"))
            }
            func durations() -> [TestTimer] {
                direct.timers.filter { $0.label == "http.client.request.duration" }
            }
            try await eventually("both have ended") { durations().count == 2 }
            let types = durations().map { $0.dimensions.first { $0.0 == "error.type" }?.1 }
            #expect(Set(types) == ["429", "cancelled"])
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
