import Apus
import Testing

/// nginx: HTTP/1.1 in the clear and over TLS, HTTP/2 over TLS.
@Suite("nginx", .timeLimit(.minutes(5)), .running(.nginx), .serialized) struct NginxTests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.storedUploads + own
    private static let own: [Scenario] = [
        .noContent, .sameEntityTag, .range, .gzip, .unknownLength, .reflection,
    ]

    @Test(arguments: Peer.nginx, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.nginx.filter(\.isTLS), Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
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

    /// After ten requests the server closes, or sends GOAWAY; no caller may notice.
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

    /// The version that ALPN leads to when all are offered.
    @Test(arguments: [("TLS", HTTPVersion.http1), ("H2", .http2)])
    func versionIsTheOneThatTheServerChooses(_ port: String, _ version: HTTPVersion) async throws {
        let peer = Peer(.nginx, port, isTLS: true, version, versions: .automatic)
        try await Scenario.negotiation.play(with: peer)
    }

    /// Clients that say nothing of ALPN get HTTP/1.1, also where HTTP/2 is spoken.
    @Test(arguments: ["TLS", "H2"])
    func withoutALPNItIsHTTP1(_ port: String) async throws {
        let peer = Peer(.nginx, port, isTLS: true, .http1, versions: .http1Only(alpn: .omit))
        try await Conversation.with(peer) { talk in
            let response = try await talk.expect(talk.files.small)
            #expect(response.info.connection.tls?.alpn == nil)
        }
    }

    @Test func aServerWithoutHTTP2FailsTheHandshakeOfAClientWithoutHTTP1() async throws {
        let peer = Peer(.nginx, "TLS", isTLS: true, .http2)
        try await Conversation.with(peer) { talk in
            let error = await #expect(throws: TransportError.self) {
                try await talk.expect(talk.files.small)
            }
            #expect(error?.phase == .tls)
        }
    }

    @Test func anOriginMayListenOnAUnixSocket() async throws {
        try await Conversation.with(Peer.nginx[0]) { talk in
            var options = RequestOptions()
            options.connectTo = .unixSocket(
                path: try RealServer.nginx.running().folder + "/nginx.socket")
            for round in 0..<3 {
                let response = try await talk.client.send(
                    .get("http://missing.test\(talk.files.medium.path)"), options: options)
                #expect(response.status == .ok)
                let file = talk.files.medium
                let body = try await Digested(response.body)
                #expect(body == Digested(count: file.size, digest: file.digest))
                #expect(response.info.isReused == (round > 0))
                #expect(response.info.connection.remoteAddress.hasPrefix("unix:"))
            }
            #expect(talk.engine.snapshot().connectionsOpened == 1)
        }
    }

    @Test func anUntrustedCertificateIsRefused() async throws {
        let peer = Peer(.nginx, "H2", isTLS: true, .http2)
        try await Conversation.with(peer, roots: "untrusted-ca") { talk in
            let error = await #expect(throws: TransportError.self) {
                try await talk.expect(talk.files.small)
            }
            #expect(error?.phase == .tls)
        }
    }
}
