import Apus
import Testing

/// hyper-h2, Python's own HTTP/2: frames and field sections that nghttp2 had no part in.
@Suite("hyper-h2", .installed(.hyperh2), .serialized) struct HyperH2Tests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.longEchoedUploads

    @Test(arguments: Peer.hyperh2, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.hyperh2.filter(\.isTLS), Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.hyperh2)
    func trailersComeBehindTheBody(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            let response = try await talk.get("/trailers")
            #expect(String(try await response.body.collect(upTo: 100)) == "hello")
            let name = try #require(HTTPField.Name("x-checked"))
            #expect(response.body.trailers?[name] == "yes")
        }
    }

    @Test(arguments: Peer.hyperh2)
    func trailersOfARequestAreTaken(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            let name = try #require(HTTPField.Name("x-checked"))
            let body = RequestBody.bytes(Bytes("hello")).withTrailers { [name: "yes"] }
            let response = try await talk.send(.post, "/echo", body: body)
            #expect(String(try await response.body.collect(upTo: 100)) == "hello")
        }
    }

    /// The server ends each connection in good order; nobody is to notice.
    @Test(arguments: Peer.hyperh2)
    func connectionsThatEndInGoodOrderLoseNoRequest(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            for _ in 0..<20 {
                let response = try await talk.get("/goaway")
                #expect(String(try await response.body.collect(upTo: 100)) == "bye")
            }
            try await talk.expect(talk.files.small)
        }
    }
}
