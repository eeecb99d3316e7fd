import Apus
import ApusRetry
import Loopback
import Testing

/// Redirects over an engine and real sockets.
@Suite(.timeLimit(.minutes(5))) struct RedirectStackTests {
    private typealias Step = ScriptedPeer.Step

    private func redirect(_ status: String, to location: String, body: String = "") -> Step {
        .sendText(
            "HTTP/1.1 \(status)\r\nLocation: \(location)\r\nContent-Length:"
                + " \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// The chain stays on its connection; another origin gets the body and no credential.
    @Test func aChainOverTwoOrigins() async throws {
        let second = try ScriptedPeer([
            [
                .expectHead, .expectBytes(4),
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ]
        ])
        let first = try ScriptedPeer([
            [
                .expectHead, .expectBytes(4),
                redirect("307 Moved", to: "../y?q#f", body: "moved"),
                .expectHead, .expectBytes(4),
                redirect("308 Moved", to: "http://127.0.0.1:\(second.port)/z"),
            ]
        ])
        defer {
            first.stop()
            second.stop()
        }
        try await withEngine { engine in
            let origin = "http://127.0.0.1:\(first.port)"
            let response = try await Redirecting(engine).send(
                .post("\(origin)/a/x", fields: [.authorization: "Bearer secret", .cookie: "c=1"]),
                body: .bytes(Bytes("body")))
            #expect(response.status == .ok)
            #expect(response.info.tries.results == ["307", "308", "200"])
            #expect(response.info.tries.map(\.connectionID) == [1, 1, 2])
            #expect(response.info.url == "http://127.0.0.1:\(second.port)/z#f")
            let sent = first.transcript(0).text
            #expect(sent.contains("POST /a/x HTTP/1.1\r\n"))
            #expect(sent.contains("POST /y?q HTTP/1.1\r\n"))
            #expect(sent.matches(of: /Bearer secret/).count == 2)
            let last = second.transcript(0).text
            #expect(last.hasPrefix("POST /z HTTP/1.1\r\n"))
            #expect(last.hasSuffix("\r\n\r\nbody"))
            #expect(last.contains("127.0.0.1:\(second.port)"))
            #expect(!last.contains("secret") && !last.contains("c=1"))
        }
    }

    @Test func aPostBecomesAGetWithoutABody() async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead, .expectBytes(4), redirect("303 See Other", to: "/result"),
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            ]
        ])
        defer { peer.stop() }
        try await withEngine { engine in
            let response = try await Redirecting(engine).send(
                .post("http://127.0.0.1:\(peer.port)/", fields: [.contentType: "text/plain"]),
                body: .bytes(Bytes("body")))
            #expect(String(try await response.body.collect(upTo: 10)) == "ok")
            let last = peer.transcript(0).text.split(separator: "body").last ?? ""
            #expect(last.hasPrefix("GET /result HTTP/1.1\r\n"))
            #expect(!last.lowercased().contains("content-"))
        }
    }

    @Test func anEndlessChainEndsAtTheLimit() async throws {
        let peer = try ScriptedPeer(
            everyConnection: (0...3).flatMap { number -> [Step] in
                [.expectHead, redirect("302 Found", to: "/\(number)")]
            })
        defer { peer.stop() }
        try await withEngine { engine in
            let error = await #expect(throws: TransportError.self) {
                try await Redirecting(engine, limit: 3).send(
                    .get("http://127.0.0.1:\(peer.port)/"))
            }
            #expect(error?.kind == .redirect(.tooMany))
            #expect(error?.tries.results == ["302", "302", "302", "302"])
        }
    }

    /// A layer keeps what it does not touch: trailers, informational answers, live facts.
    @Test func theResponseIsThatOfTheTransport() async throws {
        let server = try LoopbackServer(LoopbackServer.Options(tls: nil))
        let peer = try ScriptedPeer([
            [
                .expectHead,
                redirect("302 Found", to: "http://127.0.0.1:\(server.port)/trailers?n=5"),
            ]
        ])
        defer {
            server.stop()
            peer.stop()
        }
        try await withEngine { engine in
            let response = try await Redirecting(Retrying(engine)).send(
                .get("http://127.0.0.1:\(peer.port)/"))
            let body = response.body.makeAsyncIterator()
            var count = 0
            loop: while true {
                switch try await body.next(until: .now + .seconds(60)) {
                case .bytes(let bytes): count += bytes.count
                case .end, .nothing: break loop
                }
            }
            #expect(count == 5)
            #expect(response.body.trailers?.contains(HTTPField.Name(known: "x-count")) == true)
            #expect(response.info.done != nil)
            #expect(response.info.connectionID == 2)
        }
    }
}
