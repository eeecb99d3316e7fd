import Apus
import ApusContent
import Gateway
import GatewayFixtures
import Testing

/// Usage figures are read along; what the client gets is what the upstream sent.
@Suite struct UsageTests {
    private static let codings: [ContentCoding?] = [nil] + ContentCoding.available
    private static let events = [
        #"{"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}"#,
        #"{"type":"content_block_delta","delta":{"text":"hello"}}"#,
        #"{"type":"message_delta","usage":{"output_tokens":15}}"#,
    ]

    @Test(.timeLimit(.minutes(1)), arguments: codings)
    func ofAnEventStream(coding: ContentCoding?) async throws {
        guard coding.map({ (try? ContentEncoder($0)) != nil }) ?? true else { return }
        let origin = try await ScriptedOrigin { _ in .events(Self.events, coding: coding) }
        try await withGateway(configuration(origin)) { ground in
            let response = try await Decoding(ground.client).send(
                .post(ground.url + "/v1/messages"), body: .bytes(Bytes("{}")))
            let text = String(try await response.body.collect(upTo: 10_000))
            #expect(text == Self.events.map { "data: \($0)\n\n" }.joined())
            #expect(response.info.decoding?.codings.first == coding?.rawValue)
            #expect(await eventually { ground.gateway.journal.totals.complete == 1 })
            #expect(ground.gateway.journal.totals.usage.input == 25)
            #expect(ground.gateway.journal.totals.usage.output == 15)
        }
        try await origin.stop()
    }

    @Test(.timeLimit(.minutes(1))) func ofADocument() async throws {
        let origin = try await ScriptedOrigin { _ in
            .text(.ok, #"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#)
        }
        try await withGateway(configuration(origin)) { ground in
            let response = try await ground.post("/v1/chat/completions")
            _ = try await response.body.collect(upTo: 10_000)
            #expect(await eventually { ground.gateway.journal.totals.complete == 1 })
            #expect(ground.gateway.journal.totals.usage.input == 3)
            #expect(ground.gateway.journal.totals.usage.output == 4)
        }
        try await origin.stop()
    }

    /// Nothing that the upstream sends as figures harms the stream.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            #"{"usage":"none"}"#, #"{"usage":{"input_tokens":"x"}}"#, "\"usage\"", "{\"usage\"",
            String(repeating: "x", count: UsageReader.maxLength + 1),
        ])
    func ofOddEvents(event: String) async throws {
        let origin = try await ScriptedOrigin { _ in .events([event, "end"]) }
        try await withGateway(configuration(origin)) { ground in
            let response = try await ground.post("/v1/messages")
            let text = String(try await response.body.collect(upTo: 10_000_000))
            #expect(text == "data: \(event)\n\ndata: end\n\n")
            #expect(ground.gateway.journal.totals.usage == Usage())
        }
        try await origin.stop()
    }
}
