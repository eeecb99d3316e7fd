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
                    "sending", "response", "body", "complete",
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
            // One failed dial is one line.
            #expect(handler.entries.map { "\($0.message)" } == ["dial failed"])
            #expect(handler.entries.last?.metadata["error.type"] == "connect")
            let truncated = await #expect(throws: TransportError.self) {
                let url = "http://127.0.0.1:\(server.port)/truncate/100"
                for try await _ in try await engine.send(.get(url)).body {}
            }
            #expect(truncated?.kind == .truncated)
            try await eventually("the end is logged") { handler.entries.count >= 2 }
            #expect(handler.entries.map { "\($0.message)" } == ["dial failed", "failed"])
            #expect(handler.entries.last?.metadata["error.type"] == "truncated")
        }
    }

    @Test func theMetadataOfARequestIsLoggedWithItsBeginningAndItsEnd() async throws {
        let (logger, handler) = recorder(.debug)
        try await withObservedEngine(LoggingObserver(logger)) { engine, server in
            var options = RequestOptions()
            options.metadata = RequestMetadata(tag: "gold", values: ["tenant": "7"])
            for path in ["/", "/truncate/100"] {
                let url = "http://127.0.0.1:\(server.port)\(path)"
                let response = try await engine.send(.get(url), options: options)
                _ = try? await response.body.collect(upTo: 100)
            }
            try await eventually("the ends are logged") {
                handler.entries.filter { ["complete", "failed"].contains("\($0.message)") }.count
                    == 2
            }
            let tagged = handler.entries.filter { $0.metadata["apus.tag"] == "gold" }
            #expect(tagged.map { "\($0.message)" } == ["request", "complete", "request", "failed"])
            #expect(tagged.allSatisfy { $0.metadata["apus.metadata.tenant"] == "7" })
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

    @Test func aFailingProxyIsAWarningAndItsRecoveryANotice() {
        let (logger, handler) = recorder(.info)
        let observer = LoggingObserver(logger)
        observer.observe(
            .proxyFailing(
                proxy: "http://p:1", target: nil, because: [.unreachable, .tlsFailed],
                for: .seconds(5)))
        observer.observe(.proxyRecovered(proxy: "http://p:1", target: "a.test:443"))
        #expect(handler.entries.map(\.level) == [.warning, .notice])
        let first = handler.entries[0].metadata
        #expect(first["apus.proxy"] == "http://p:1" && first["apus.target"] == nil)
        #expect(first["apus.evidence"] == "unreachable tlsFailed")
        #expect(handler.entries[1].metadata["apus.target"] == "a.test:443")
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
