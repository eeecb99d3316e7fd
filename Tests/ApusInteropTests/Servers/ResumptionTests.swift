import Apus
import Loopback
import Testing

/// TLS resumption against nginx: nearly always, and never across a difference.
@Suite("resumption", .timeLimit(.minutes(5)), .running(.nginx), .serialized)
struct ResumptionTests {
    static let once: RequestOptions = {
        var options = RequestOptions()
        options.reuse = .oneShot
        return options
    }()

    /// Whether nginx, not we, says that the connection resumed a session.
    private func isResumed(
        _ client: ExecutorClient, _ url: String, _ options: RequestOptions = once
    ) async throws -> Bool {
        let response = try await client.send(.get(url), options: options)
        let text = String(try await response.body.collect(upTo: 100))
        #expect(text.hasPrefix("r") == response.info.connection.tls?.isResumed)
        #expect(!response.info.isReused)
        return text.hasPrefix("r")
    }

    private func withEngine(
        _ change: (inout EngineTuning) -> Void = { _ in },
        _ body: (TransportEngine) async throws -> Void
    ) async throws {
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        change(&tuning)
        let engine = try TransportEngine(tuning)
        do {
            try await body(engine)
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    @Test(
        "of a hundred fresh connections at least 99 are resumed",
        arguments: [Peer.nginx[1], Peer.nginx[2]], [EngineTuning.TLS.Version.tls12, .tls13])
    func aHundredFreshConnections(
        _ peer: Peer, _ version: EngineTuning.TLS.Version
    ) async throws {
        try await withEngine({ $0.tls.maximumVersion = version }) { engine in
            let client = ExecutorClient(engine, versions: peer.versions)
            let url = try peer.url("/resumed")
            _ = try await isResumed(client, url)
            var resumed = 0
            for _ in 0..<100 where try await isResumed(client, url) { resumed += 1 }
            #expect(resumed >= 99, "\(resumed) of 100 with \(peer), \(version)")
            #expect(engine.snapshot().connectionsOpened == 101)
        }
    }

    /// One change of the way each; every other part stays as it was.
    enum Difference: String, CaseIterable, Sendable {
        case host, isolation, versions, address
    }

    @Test("a route that differs begins with a full handshake", arguments: Difference.allCases)
    func neverAcrossADifference(_ difference: Difference) async throws {
        let peer = Peer.nginx[1]
        try await withEngine { engine in
            let first = ExecutorClient(engine, isolation: "a", versions: .http1Only(alpn: .http1))
            let url = try peer.url("/resumed")
            for round in 0..<4 { #expect(try await isResumed(first, url) == (round > 0)) }
            var other = first
            var otherURL = url
            var options = Self.once
            switch difference {
            case .host: otherURL = url.replacing("localhost", with: "127.0.0.1")
            case .isolation:
                other = ExecutorClient(engine, isolation: "b", versions: .http1Only(alpn: .http1))
            case .versions: other = ExecutorClient(engine, isolation: "a")
            case .address:
                let port = try #require(peer.server.running().ports[peer.portName])
                options.connectTo = .address("127.0.0.1", port: port)
            }
            #expect(try await !isResumed(other, otherURL, options))
            #expect(try await isResumed(other, otherURL, options))
            #expect(try await isResumed(first, url))
        }
    }

    /// Engines share nothing, so that what one trusts, shows or asks for never helps another.
    @Test("another engine, with another trust, name or identity, begins with a full handshake")
    func neverAcrossEngines() async throws {
        let client = FixturePaths.certificate("client")
        let changes: [@Sendable (inout EngineTuning) -> Void] = [
            { _ in }, { $0.tls.insecureSkipVerify = true },
            { $0.tls.serverName = "example.test" },
            { $0.tls.verifiedName = "127.0.0.1" },
            { $0.tls.identity = .init(certificateFile: client.chain, keyFile: client.key) },
            {
                $0.tls.roots = .bytes(Bytes("")); $0.tls.insecureSkipVerify = true
            },
        ]
        for change in changes {
            try await withEngine(change) { engine in
                let url = try Peer.nginx[1].url("/resumed")
                let client = ExecutorClient(engine, versions: .http1Only(alpn: .http1))
                #expect(try await !isResumed(client, url))
                #expect(try await isResumed(client, url))
            }
        }
    }
}
