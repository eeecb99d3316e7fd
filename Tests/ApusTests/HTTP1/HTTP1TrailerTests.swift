import Apus
import Loopback
import Testing

/// Trailers after a request's body on HTTP/1.1; `HTTP2RequestTests` has those on HTTP/2.
@Suite(.timeLimit(.minutes(5))) struct HTTP1TrailerTests {
    private static let checksum = HTTPField.Name(known: "X-Checksum")

    @Test(arguments: ["at hand", "empty", "streamed"])
    func trailersFollowTheBody(_ kind: String) async throws {
        let wire = kind == "empty" ? "" : "5\r\nhello\r\n"
        let expected = wire + "0\r\nX-Checksum: 42\r\n\r\n"
        let script: [ScriptedPeer.Step] =
            [
                .expectHead, .expectBytes(expected.utf8.count),
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ] + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let body =
                switch kind {
                case "at hand": RequestBody.bytes(Bytes("hello"))
                case "empty": RequestBody.empty
                default: RequestBody.stream { Pieces([Bytes("hello")]) }
                }
            let response = try await stand.engine.send(
                stand.request(.post), body: body.withTrailers { [Self.checksum: "42"] })
            #expect(response.status == .ok)
            let sent = stand.peer.transcript(0).text
            #expect(sent.contains("Transfer-Encoding: chunked\r\n"))
            #expect(!sent.contains("Content-Length"))
            #expect(sent.hasSuffix("\r\n\r\n" + expected))
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test(arguments: [
        "Content-Length", "Transfer-Encoding", "Host", "Connection", "Trailer", "Expect",
        "Authorization", "Content-Type", "Set-Cookie", "Cookie", "Range", "If-Match",
    ])
    func aTrailerThatRFC9110ForbidsIsRefused(_ name: String) async throws {
        try await withFaultStand([[.expectHead, .readUntilEnd]]) { stand in
            let field = try #require(HTTPField.Name(name))
            let body = RequestBody.bytes(Bytes("hello")).withTrailers { [field: "5"] }
            let error = await transportError {
                _ = try await stand.engine.send(stand.request(.post), body: body)
            }
            #expect(error?.kind.name == "invalidRequest")
            #expect(!stand.peer.transcript(0).text.contains("0\r\n\r\n"))
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }
}
