import Apus
import ApusEvents
import GatewayFixtures
import Testing

@Suite struct StreamingTests {
    /// The second event is sent only when the client has read the first.
    @Test(.timeLimit(.minutes(1)), arguments: ["/v1/messages", "/v1/chat/completions", "/other"])
    func eachEventPassesBeforeTheNextOneIsSent(path: String) async throws {
        let isRead = Latch()
        let origin = try await ScriptedOrigin { _ in
            .events(["one", "two"]) { number in if number == 1 { try await isRead.wait() } }
        }
        try await withGateway(configuration(origin)) { ground in
            let response = try await ground.post(path)
            #expect(response.status == .ok)
            #expect(response.head.headerFields[.contentType] == "text/event-stream")
            var texts: [String] = []
            for try await event in response.body.serverSentEvents() {
                texts.append(event.text)
                isRead.open()
            }
            #expect(texts == ["one", "two"])
            #expect(origin.counts.heads.last?.path == path)
            #expect(
                origin.counts.heads.last?.headerFields[.authorization] == "Bearer secret-of-only")
        }
        try await origin.stop()
    }
}
