import Apus
import ApusRetry
import Testing

/// What each kind of choice changes.
@Suite struct ChoiceTests {
    private func sent(_ choice: Choice, _ request: HTTPRequest) async throws -> TransportStub.Call {
        let stub = TransportStub(TransportStub.answer(200))
        _ = try await Rotating(over: [choice], stub).send(request)
        return try #require(stub.calls.first)
    }

    @Test func aCredentialReplacesItsFields() async throws {
        let key = HTTPField.Name(known: "x-api-key")
        let choice = Choice.credential(
            "a", [key: "1", .authorization: "2"],
            for: try Origin(scheme: .https, host: "a.example"))
        let call = try await sent(
            choice, .get("https://A.example:443/", fields: [.authorization: "old", .accept: "b"]))
        #expect(call.request.headerFields == [.accept: "b", key: "1", .authorization: "2"])
    }

    /// After a redirect the request may be for another origin.
    @Test(arguments: ["http://a.example/", "https://b.example/", "https://a.example:444/"])
    func aCredentialIsSentToItsOriginOnly(url: String) async throws {
        let choice = Choice.credential(
            "a", [.authorization: "2"], for: try Origin(scheme: .https, host: "a.example"))
        let call = try await sent(choice, .get(url))
        #expect(call.request.headerFields.isEmpty)
    }

    @Test func anOriginReplacesThatOfTheRequest() async throws {
        let choice = Choice.origin("b", try Origin(scheme: .http, host: "b.example", port: 81))
        let call = try await sent(
            choice,
            .get("https://a.example/p?q", fields: [HTTPField.Name(known: "Host"): "a.example"]))
        #expect(call.request.scheme == "http")
        #expect(call.request.authority == "b.example:81")
        #expect(call.request.path == "/p?q")
        #expect(call.request.headerFields.isEmpty)
    }

    @Test func aChoiceMayChangeRequestAndOptions() async throws {
        let choice = Choice("a") { request, options in
            request.method = .head
            options.isolation = IsolationScope("a")
        }
        let call = try await sent(choice, .get("https://a.example/"))
        #expect(call.request.method == .head)
        #expect(call.options.isolation == IsolationScope("a"))
    }
}
