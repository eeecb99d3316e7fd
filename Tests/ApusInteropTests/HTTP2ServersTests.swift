import Apus
import Testing

/// haproxy: its own HTTP/2, in front of nginx.
@Suite("haproxy", .installed(.haproxyFront), .installed(.nginx), .serialized)
struct HAProxyFrontTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + [
            .noContent, .sameEntityTag, .range, .gzip, .unknownLength,
        ]

    @Test(arguments: Peer.haproxyFront, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.haproxyFront.filter(\.isTLS), Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }
}

/// Go's net/http, over TLS: HTTP/2 by ALPN.
@Suite("Go", .installed(.goServer), .serialized) struct GoServerTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.longEchoedUploads

    @Test(arguments: Peer.goServer, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.goServer, Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.goServer)
    func trailersComeBehindTheBody(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            let response = try await talk.get("/trailers")
            #expect(String(try await response.body.collect(upTo: 100)) == "hello")
            let name = try #require(HTTPField.Name("x-checked"))
            #expect(response.body.trailers?[name] == "yes")
        }
    }
}
