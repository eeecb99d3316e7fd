import Apus
import Loopback
import Testing

/// A program's own facts about a request are in its events and in its errors.
@Suite(.timeLimit(.minutes(5))) struct RequestMetadataTests {
    private let metadata = RequestMetadata(tag: "gold", values: ["tenant": "7"])

    private var options: RequestOptions {
        var options = RequestOptions()
        options.metadata = metadata
        return options
    }

    private func expectOurs(_ error: TransportError?, _ kind: String) {
        #expect(error?.kind.name == kind)
        #expect(error?.metadata === metadata)
        #expect(error?.description.contains(" (tag gold)") == true)
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func theEventsOfAnExchangeCarryIt(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let chronicle = Chronicle()
            let engine = try TransportEngine(relaxedTuning, observer: chronicle)
            let client = ExecutorClient(engine, versions: variant.versions)
            _ = try await client.send(.get(stand.url("/")), options: options)
                .body.collect(upTo: 100)
            try await eventually("the end is reported") { chronicle.words.last == "completed" }
            let found = chronicle.events.compactMap { event -> RequestMetadata? in
                switch event {
                case .exchangeBegun(_, _, _, let metadata): metadata
                case .exchangeQueued(_, _, _, let metadata): metadata
                case .exchangeCompleted(let summary): summary.metadata
                default: nil
                }
            }
            #expect(found.count == 3 && found.allSatisfy { $0 === metadata })
            await engine.shutdown()
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func everyErrorCarriesIt(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let kind = variant.isHTTP2 ? "h2Stream" : "truncated"
            let truncated = await transportError {
                let response = try await stand.client.send(
                    .get(stand.url("/truncate/100")), options: options)
                for try await _ in response.body {}
            }
            expectOurs(truncated, kind)
            var hasty = options
            hasty.headTimeout = .milliseconds(20)
            let late = await transportError { [hasty] in
                _ = try await stand.client.send(.get(stand.url("/hang")), options: hasty)
            }
            expectOurs(late, "timeout")
            let dial = await transportError {
                _ = try await stand.client.send(.get("http://127.0.0.1:1/"), options: options)
            }
            expectOurs(dial, "connect")
            let invalid = await transportError {
                var request = try HTTPRequest.get(stand.url("/"))
                request.path = "no slash"
                _ = try await stand.client.send(request, options: options)
            }
            expectOurs(invalid, "invalidRequest")
            let body = RequestBody.stream(length: 0) { ResponseBody([Bytes("a")]) }
            let wrong = await transportError {
                _ = try await stand.client.send(
                    .post(stand.url("/sink")), body: body, options: options)
            }
            expectOurs(wrong, "invalidRequest")
            let corrupt = await transportError {
                let response = try await stand.client.send(
                    .get(stand.url("/bytes/10")), options: options)
                var stage = StageStub()
                stage.failsAtEnd = true
                let body = ResponseBody(transforming: response.body, by: stage)
                for try await _ in body {}
            }
            expectOurs(corrupt, "malformed")
            let plain = await transportError {
                _ = try await stand.client.send(.get("http://127.0.0.1:1/"))
            }
            #expect(plain?.metadata == nil)
        }
    }
}
