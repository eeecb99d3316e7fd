import Apus
import Testing

/// Apache: HTTP/1.1 in the clear and over TLS, and HTTP/1.0 where asked.
@Suite("apache2", .timeLimit(.minutes(5)), .running(.apache2), .serialized) struct ApacheTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads + [
            .noContent, .sameEntityTag, .range, .longUnknownLength, .continued, .slow, .early(20),
            .old { "/old\($0)" },
        ]

    @Test(arguments: Peer.apache2, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }
}

/// Caddy, whose HTTP is Go's own: it reads no more of a request once it answers; its 404 is bare.
@Suite("caddy", .timeLimit(.minutes(5)), .running(.caddy), .serialized) struct CaddyTests {
    static let scenarios =
        Scenario.files + Scenario.connections + Scenario.countedUploads + Scenario.echoedUploads + [
            .head, .unmodifiedSince, .noContent, .sameEntityTag, .range, .unknownLength, .continued,
            .slow, .early(20),
            .trailed,
        ]

    @Test(arguments: Peer.caddy, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }
}

/// Python's http.server, which closes after errors and knows no ranges.
@Suite("http.server", .timeLimit(.minutes(5)), .running(.httpserver), .serialized)
struct PythonServerTests {
    static let scenarios =
        Scenario.files + Scenario.connections + Scenario.countedUploads + Scenario.echoedUploads + [
            .head, .unmodifiedSince, .noContent, .unknownLength, .continued, .slow, .early(20),
            .trailed,
        ]

    @Test(arguments: scenarios)
    func answers(_ scenario: Scenario) async throws {
        try await scenario.play(with: Peer(.httpserver, "PLAIN", isTLS: false, .http1))
    }

    @Test func answersAsItDoesByDefault() async throws {
        try await Scenario.old { $0 }.play(with: Peer(.httpserver, "OLD", isTLS: false, .http1))
    }
}

/// What nginx and h2o are asked of HTTP/1.1 alone.
@Suite("nginx and h2o, HTTP/1.1", .timeLimit(.minutes(5)), .serialized) struct HTTP1ServersTests {
    @Test(
        .running(.nginx), arguments: Peer.nginx.filter { !$0.isHTTP2 },
        [.continued, .slow] as [Scenario])
    func nginxAnswers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test("an early 413 from nginx, 200 of 200", .running(.nginx))
    func nginxRefusesEarly() async throws {
        try await Scenario.early(200).play(with: Peer(.nginx, "PLAIN", isTLS: false, .http1))
        try await Scenario.early(20).play(with: Peer(.nginx, "TLS", isTLS: true, .http1))
    }

    @Test(
        .running(.h2o), arguments: Peer.h2o.filter { !$0.isHTTP2 },
        [.continued, .slow] as [Scenario])
    func h2oAnswers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }
}
