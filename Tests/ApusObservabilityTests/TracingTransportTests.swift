import Apus
import ApusObservability
import InMemoryTracing
import Loopback
import Testing
import Tracing

/// A span around each request, by OpenTelemetry's conventions.
@Suite(.timeLimit(.minutes(5))) struct TracingTransportTests {
    @Test func aSpanDescribesRequestAndResponse() async throws {
        let tracer = InMemoryTracer()
        try await withObservedEngine { engine, server in
            let traced = TracingTransport(engine, tracer: tracer)
            let url = "http://127.0.0.1:\(server.port)/bytes/10?key=topsecret"
            _ = try await traced.send(.get(url)).body.collect(upTo: 100)
            let span = try #require(tracer.finishedSpans.first)
            #expect(span.operationName == "GET")
            #expect(span.kind == .client)
            #expect(span.status == nil)
            let attributes = span.attributes
            #expect(attributes.get("http.request.method") == .string("GET"))
            #expect(attributes.get("server.address") == .string("127.0.0.1"))
            #expect(attributes.get("server.port") == .int64(Int64(server.port)))
            #expect(
                attributes.get("url.full")
                    == .string("http://127.0.0.1:\(server.port)/bytes/10"))
            #expect(attributes.get("http.response.status_code") == .int64(200))
            #expect(attributes.get("network.protocol.version") == .string("1.1"))
            #expect(attributes.get("network.peer.address") == .string("127.0.0.1:\(server.port)"))
        }
    }

    @Test func aFailureIsTheSpansError() async throws {
        let tracer = InMemoryTracer()
        try await withObservedEngine { engine, server in
            let traced = TracingTransport(engine, tracer: tracer)
            await #expect(throws: TransportError.self) {
                try await traced.send(.get("http://127.0.0.1:1/"))
            }
            _ = try await traced.send(.get("http://127.0.0.1:\(server.port)/status/404"))
            let spans = tracer.finishedSpans
            #expect(spans.map { $0.status?.code } == [.error, .error])
            #expect(
                spans.map { $0.attributes.get("error.type") }
                    == [.string("connect"), .string("404")])
            #expect(spans.map(\.errors.count) == [1, 0])
        }
    }

    /// The span lasts as long as the body, and a body that is cut is its error.
    @Test func aSpanEndsWithTheBody() async throws {
        let tracer = InMemoryTracer()
        try await withObservedEngine { engine, server in
            let traced = TracingTransport(engine, tracer: tracer)
            let url = "http://127.0.0.1:\(server.port)"
            let whole = try await traced.send(.get(url + "/bytes/10"))
            #expect(tracer.finishedSpans.isEmpty)
            #expect(try await whole.body.collect(upTo: 100).count == 10)
            let cut = try await traced.send(.get(url + "/truncate/100"))
            await #expect(throws: TransportError.self) {
                try await cut.body.collect(upTo: 1000)
            }
            let dropped = try await traced.send(.get(url + "/head-then-hang?bytes=5"))
            dropped.cancel()
            let spans = tracer.finishedSpans
            #expect(spans.map { $0.status?.code } == [nil, .error, nil])
            #expect(
                spans.map { $0.attributes.get("error.type") }
                    == [nil, .string("truncated"), .string("cancelled")])
            #expect(
                spans.map { $0.events.map(\.name) }
                    == [["head", "first byte"], ["head", "first byte"], ["head"]])
        }
    }

    @Test(arguments: [false, true])
    func theContextGoesOutOnlyWhenAsked(isAsked: Bool) async throws {
        let tracer = InMemoryTracer()
        try await withObservedEngine { engine, server in
            let traced = TracingTransport(
                engine, tracer: tracer, propagation: isAsked ? .requestFields : .none)
            let head = try await traced.send(.get("http://127.0.0.1:\(server.port)/headers"))
                .body.collect(upTo: 4096)
            let span = try #require(tracer.finishedSpans.first)
            let text = String(head).lowercased()
            #expect(
                text.contains("in-memory-trace-id: \(span.traceID.lowercased())") == isAsked)
        }
    }
}
