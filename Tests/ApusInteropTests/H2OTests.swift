import Apus
import Testing

/// h2o: HTTP/1.1 and HTTP/2, each in the clear and over TLS.
@Suite("h2o", .installed(.h2o), .serialized) struct H2OTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.longEchoedUploads + [
            .noContent, .sameEntityTag, .range, .gzip, .unknownLength,
        ]

    @Test(arguments: Peer.h2o, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await Conversation.with(peer, scenario.run)
    }
}
