import Apus
import Testing

/// nginx: HTTP/1.1 in the clear and over TLS, HTTP/2 over TLS.
@Suite("nginx", .installed(.nginx), .serialized) struct NginxTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.storedUploads + [
            .noContent, .sameEntityTag, .range, .gzip, .unknownLength,
        ]

    @Test(arguments: Peer.nginx, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await Conversation.with(peer, scenario.run)
    }

    /// The server says that it closes, and does; the next request finds another connection.
    @Test(arguments: Peer.nginx.filter { !$0.isHTTP2 })
    func connectionsThatTheServerClosesAreNotUsedAgain(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            let response = try await talk.get("/close")
            #expect(String(try await response.body.collect(upTo: 100)) == "bye\n")
            let next = try await talk.expect(talk.files.small)
            #expect(next.info.connectionID != response.info.connectionID)
        }
    }

    /// After ten requests the server closes, or says GOAWAY: nobody is to notice.
    @Test(arguments: [
        Peer(.nginx, "SHORT_PLAIN", isTLS: false, .http1),
        Peer(.nginx, "SHORT_H2", isTLS: true, .http2),
    ])
    func connectionsThatEndOftenLoseNoRequest(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            for _ in 0..<50 { try await talk.expect(talk.files.small) }
            #expect(talk.engine.snapshot().connectionsOpened >= 5)
            let connections = try await talk.inParallel(20)
            #expect(connections.count > 1)
        }
    }
}
