import Apus
import Testing

/// hyper-h2, Python's own HTTP/2: frames and field sections that nghttp2 had no part in.
@Suite("hyper-h2", .timeLimit(.minutes(5)), .running(.hyperh2), .serialized) struct HyperH2Tests {
    static let scenarios =
        Scenario.common + Scenario.countedUploads + Scenario.echoedUploads
        + Scenario.longEchoedUploads + [.trailersAfterHello]

    @Test(arguments: Peer.hyperh2, scenarios)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.hyperh2.filter(\.isTLS), Scenario.security)
    func secures(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
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

    /// Extended CONNECT (RFC 8441): a stream that gives back what it gets, beside ordinary ones.
    @Test(arguments: Peer.hyperh2)
    func anExtendedConnectIsADuplex(_ peer: Peer) async throws {
        try await Conversation.with(peer) { talk in
            var request = try HTTPRequest(.connect, url: peer.url("/chat"))
            request.extendedConnectProtocol = "echo"
            let response = try await talk.client.send(request)
            #expect(response.status == .ok)
            let duplex = try #require(response.duplex)
            for size in [1, 1000, 300_000] {
                let bytes = Bytes([UInt8](repeating: UInt8(size & 255), count: size))
                async let written: Void = duplex.write(bytes)
                var received: [UInt8] = []
                while received.count < size, let piece = try await duplex.read() {
                    received += piece.array
                }
                try await written
                #expect(Bytes(received) == bytes)
                try await talk.expect(talk.files.small)
            }
            try await duplex.finish()
            #expect(try await duplex.read() == nil)
            #expect(talk.engine.snapshot().connectionsOpened == 1)
        }
    }

    /// The server ends each connection correctly; no caller may notice.
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
