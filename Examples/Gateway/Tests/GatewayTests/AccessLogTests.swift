import Apus
import Gateway
import GatewayFixtures
import InMemoryLogging
import Logging
import Testing

/// One line for each request, whatever became of it.
@Suite struct AccessLogTests {
    @Test(.timeLimit(.minutes(1))) func aLineHasTheFactsOfItsExchange() async throws {
        let origin = try await ScriptedOrigin { arrival in
            guard arrival.credential != "Bearer secret-of-a" else { return .text(.unauthorized) }
            return .text(.ok, #"{"usage":{"input_tokens":3,"output_tokens":4}}"#)
        }
        let configuration = configuration(origin, credentials: ["a", "b"])
        let lines = try await lines(configuration, count: 2) { ground in
            for _ in 1...2 {
                let response = try await ground.post("/v1/messages?key=hidden")
                _ = try await response.body.collect(upTo: 1000)
            }
        }
        let first = lines[0]
        #expect(first["method"] == "POST")
        #expect(first["path"] == "/v1/messages")
        #expect(first["upstream"] == "api")
        #expect(first["credential"] == "b")
        #expect(first["tries"] == "2")
        #expect(first["status"] == "200")
        #expect(first["outcome"] == "complete")
        #expect(first["sent"] == "2")
        #expect(first["received"] == "46")
        #expect(first["input_tokens"] == "3")
        #expect(first["output_tokens"] == "4")
        #expect(first["queued"] != nil && first["first_byte"] != nil)
        #expect(lines[1]["reused"] == "true")
        #expect(lines[1]["connection"] == first["connection"])
        #expect(lines[1]["tries"] == "1")
    }

    @Test(.timeLimit(.minutes(1))) func aLineHasTheVerdictOfItsError() async throws {
        let origin = try await ScriptedOrigin { _ in .text() }
        await origin.cut()
        let lines = try await lines(configuration(origin), count: 1) { ground in
            let response = try await ground.post("/v1/messages")
            #expect(response.status == .badGateway)
        }
        #expect(lines[0]["outcome"] == "failed")
        #expect(lines[0]["verdict"] == "connect in phase connect, sendAgainElsewhere")
        #expect(lines[0]["credential"] == "only")
        #expect(lines[0]["status"] == nil)
    }

    @Test(.timeLimit(.minutes(1))) func aClientThatGoesHasItsLine() async throws {
        let origin = try await ScriptedOrigin { _ in
            .events(["one", "two"]) { number in if number == 1 { try await Latch().wait() } }
        }
        let lines = try await lines(configuration(origin), count: 1) { ground in
            let response = try await ground.post("/v1/messages")
            _ = try await response.body.makeAsyncIterator().next()
            response.cancel()
        }
        #expect(lines[0]["outcome"] == "client gone")
        #expect(lines[0]["status"] == "200")
        #expect(lines[0]["received"] == "11")
        await origin.cut()
    }

    /// Runs requests, and returns the lines of the access log.
    private func lines(
        _ configuration: GatewayConfiguration, count: Int,
        _ requests: (GatewayGround) async throws -> Void
    ) async throws -> [[String: String]] {
        let handler = InMemoryLogHandler()
        var logger = Logger(label: "access") { _ in handler }
        logger.logLevel = .info
        let ground = try await GatewayGround(configuration, logger: logger)
        try await requests(ground)
        func found() -> [[String: String]] {
            handler.entries.filter { $0.message == "request" && $0.level == .info }
                .map { $0.metadata.mapValues(\.description) }
        }
        #expect(await eventually { found().count == count })
        try await ground.stop()
        let lines = found()
        try #require(lines.count == count)
        return lines
    }
}
