import Apus
import ApusObservability
import InMemoryLogging
import Logging
import Loopback
import Testing

/// The engine's story as lines of a log.
@Suite(.timeLimit(.minutes(5))) struct LoggingObserverTests {
    @Test func aRequestIsLoggedLineByLine() async throws {
        let (logger, handler) = recorder(.debug)
        try await withObservedEngine(LoggingObserver(logger)) { engine, server in
            let url = "http://127.0.0.1:\(server.port)/"
            _ = try await engine.send(.get(url)).body.collect(upTo: 100)
            try await eventually("the end is logged") {
                handler.entries.last.map { "\($0.message)" } == "complete"
            }
            #expect(
                handler.entries.map { "\($0.message)" } == [
                    "request", "waiting", "dialling", "resolved", "connected", "connection open",
                    "sending", "response", "complete",
                ])
            #expect(handler.entries.allSatisfy { $0.level == .debug })
            let last = try #require(handler.entries.last)
            #expect(last.metadata["http.request.method"] == "GET")
            #expect(last.metadata["http.response.status_code"] == "200")
            #expect(last.metadata["http.response.body.size"] == "6")
        }
    }

    @Test func onlyFailuresAreLoggedAboveDebug() async throws {
        let (logger, handler) = recorder(.info)
        try await withObservedEngine(LoggingObserver(logger)) { engine, server in
            let url = "http://127.0.0.1:\(server.port)/"
            _ = try await engine.send(.get(url)).body.collect(upTo: 100)
            #expect(handler.entries.isEmpty)
            await #expect(throws: TransportError.self) {
                try await engine.send(.get("http://127.0.0.1:1/"))
            }
            try await eventually("the end is logged") { handler.entries.count >= 2 }
            #expect(handler.entries.map { "\($0.message)" } == ["dial failed", "failed"])
            #expect(handler.entries.last?.metadata["error.type"] == "connect")
        }
    }

    @Test func noLineHoldsASecret() async throws {
        let (logger, handler) = recorder(.trace)
        let proxy = try LoopbackConnectProxy()
        defer { proxy.stop() }
        try await withObservedEngine(LoggingObserver(logger)) { engine, server in
            let client = ExecutorClient(
                engine,
                proxy: try ProxySetting(
                    parsing: "http://juliet:hunter2secret@127.0.0.1:\(proxy.port)"),
                isolation: IsolationScope("credential-of-romeo"))
            let url = "http://127.0.0.1:\(server.port)/?key=topsecret"
            _ = try await client.send(.get(url)).body.collect(upTo: 100)
            let text = "\(handler.entries)"
            #expect(text.contains("scope-"))
            for secret in ["juliet", "hunter2secret", "credential-of-romeo", "topsecret"] {
                #expect(!text.contains(secret))
            }
        }
    }

    @Test func anEngineThatIsDroppedIsAWarning() async throws {
        let (logger, handler) = recorder(.warning)
        do {
            let engine = try TransportEngine(.default, observer: LoggingObserver(logger))
            _ = engine.tuning
        }
        try await eventually("the release is logged") { handler.entries.count == 1 }
        #expect(handler.entries.first?.level == .warning)
    }

    private func recorder(_ level: Logger.Level) -> (Logger, InMemoryLogHandler) {
        var handler = InMemoryLogHandler()
        handler.logLevel = level
        let shared = handler
        var logger = Logger(label: "test") { _ in shared }
        logger.logLevel = level
        return (logger, shared)
    }
}
