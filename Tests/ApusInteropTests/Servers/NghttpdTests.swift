import Apus
import Testing

/// nghttpd: HTTP/2 over TLS and in the clear by prior knowledge.
///
/// It has no 204, no entity tags, no ranges and no gzip.
@Suite("nghttpd", .timeLimit(.minutes(5)), .running(.nghttpd), .serialized) struct NghttpdTests {
    static let scenarios =
        Scenario.common + Scenario.echoedUploads
        + Scenario.longEchoedUploads + [.trailers]

    @Test(arguments: Peer.nghttpd, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.nghttpd.filter(\.isTLS), Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }
}
