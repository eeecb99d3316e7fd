import Apus
import Testing

/// h2o: HTTP/1.1 and HTTP/2, each in the clear and over TLS.
@Suite("h2o", .timeLimit(.minutes(5)), .running(.h2o), .serialized) struct H2OTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.longEchoedUploads + own
    private static let own: [Scenario] = [
        .noContent, .sameEntityTag, .range, .gzip, .unknownLength, .reflection,
    ]

    @Test(arguments: Peer.h2o, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.h2o.filter(\.isTLS), Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    /// h2o speaks both on one port: HTTP/2 where it is offered.
    @Test(arguments: [
        Peer(.h2o, "TLS", isTLS: true, .http2, versions: .automatic),
        Peer(.h2o, "TLS", isTLS: true, .http1, versions: .http1Only(alpn: .omit)),
    ])
    func versionIsTheOneThatWasOffered(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            let response = try await talk.expect(talk.files.small)
            #expect(response.info.connection.tls?.alpn == (peer.isHTTP2 ? "h2" : nil))
        }
    }
}
