import Apus
import Testing

/// haproxy: its own HTTP/2, in front of nginx.
@Suite(
    "haproxy", .timeLimit(.minutes(5)), .running(.haproxyFront, .nginx), .serialized)
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
@Suite("Go", .timeLimit(.minutes(5)), .running(.goServer), .serialized) struct GoServerTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.longEchoedUploads + [.trailersAfterHello]

    @Test(arguments: Peer.goServer, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.goServer, Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }
}
