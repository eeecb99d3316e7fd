import Apus
import LoopFixtures
import Loopback
import Testing

/// What a request's body holds is free again once the body has gone out and the head is accepted,
/// however long the response lasts.
@Suite(.timeLimit(.minutes(5))) struct BodyMemoryTests {
    /// Something that a body holds, whose end shows that the body is gone.
    private final class Token: Sendable {}

    /// Holds no token itself, so that only the body does.
    private final class Watch: Sendable {
        private let token = Guarded<Weak>(Weak())

        struct Weak: @unchecked Sendable {
            weak var token: Token?
        }

        func watch(_ token: Token) { self.token.withLock { $0.token = token } }
        var isGone: Bool { token.withLock { $0.token == nil } }
    }

    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case producer, producerOfUnknownLength, bytesWithTrailers
        var testDescription: String { rawValue }
    }

    private static func body(_ kind: Kind, _ watch: Watch) -> RequestBody {
        let token = Token()
        watch.watch(token)
        let bytes = Bytes(BodyPattern.bytes(100_000))
        switch kind {
        case .producer:
            return .stream(length: 100_000) {
                withExtendedLifetime(token) { Pieces([bytes]) }
            }
        case .producerOfUnknownLength:
            return .stream { withExtendedLifetime(token) { Pieces([bytes]) } }
        case .bytesWithTrailers:
            return RequestBody.bytes(bytes).withTrailers {
                withExtendedLifetime(token) { [:] }
            }
        }
    }

    @Test(arguments: ProtocolVariant.allCases, Kind.allCases)
    func aRequestBodyIsReleasedDuringItsResponse(_ variant: ProtocolVariant, _ kind: Kind)
        async throws
    {
        try await withStand(variant) { stand in
            let watch = Watch()
            let response = try await stand.client.send(
                .post(stand.url("/sse?n=1000000&pace_us=20000")), body: Self.body(kind, watch))
            #expect(response.status == .ok)
            try await eventually("the body is let go", within: .seconds(30)) { watch.isGone }
            // The response goes on.
            let body = response.body.makeAsyncIterator()
            for _ in 0..<3 { #expect(try await body.next() != nil) }
        }
    }

    @Test("a body that is still going out is kept, though the head is accepted")
    func anEarlyAnswer() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
            .expectBytes("1\r\na\r\n0\r\nX-End: yes\r\n\r\n".utf8.count), .sendText("ok"),
            .readUntilEnd,
        ]
        try await withFaultStand([script]) { stand in
            let (stream, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
            let body = RequestBody.stream { stream }.withTrailers {
                [.init(known: "X-End"): "yes"]
            }
            let response = try await stand.engine.send(stand.request(.post), body: body)
            producer.yield(Bytes("a"))
            producer.finish()
            #expect(String(try await response.body.collect(upTo: 100)) == "ok")
            let text = stand.peer.transcript(0).text
            #expect(text.hasSuffix("1\r\na\r\n0\r\nX-End: yes\r\n\r\n"))
        }
    }
}
