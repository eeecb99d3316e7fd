import Apus
import Loopback
import Testing

/// Failures are reported: kind, phase, and whether sending again is safe.
@Suite(.timeLimit(.minutes(5))) struct FailureTests {
    @Test func aRefusedPort() async throws {
        let refusing = try RefusingPort()
        let port = refusing.port
        let error = try await failure(of: .get("http://127.0.0.1:\(port)/"))
        #expect(error?.kind == .connect(errno: 111))
        #expect(error?.phase == .connect)
        #expect(error?.replay == .notSent)
        #expect(error?.attempts.map(\.address) == ["127.0.0.1:\(port)"])
        withExtendedLifetime(refusing) {}
    }

    @Test func aNameThatDoesNotResolve() async throws {
        let error = try await failure(of: .get("http://no-such-host.invalid/"))
        #expect(error?.kind.name == "dns")
        #expect(error?.phase == .dns)
    }

    @Test(arguments: ["expired", "not-yet-valid", "wrong-host", "self-signed", "untrusted"])
    func aCertificateThatMustNotBeTrusted(_ name: String) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate(name)))
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let error = try await failure(of: .get("https://localhost:\(server.port)/"), tuning)
        #expect(error?.kind.name == "tlsVerify", "\(String(describing: error))")
        #expect(error?.phase == .tls)
        #expect(error?.replay == .notSent)
        #expect(server.counters.requests == 0)
        server.stop()
    }

    @Test func theSystemsRootsDoNotTrustOurs() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        let error = try await failure(of: .get("https://localhost:\(server.port)/"))
        #expect(error?.kind.name == "tlsVerify")
        server.stop()
    }

    @Test(arguments: [
        "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", "HTTP/1.1 99 Low\r\n\r\n",
        "\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}",
    ])
    func aServerThatSpeaksGarbage(_ answer: String) async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, .sendText(answer), .readUntilEnd,
        ])
        let error = try await failure(of: .get("http://127.0.0.1:\(peer.port)/"))
        #expect(error?.kind == .malformed, "\(String(describing: error))")
        peer.stop()
    }

    @Test func aServerThatSpeaksNoTLS() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectBytes(1), .sendText("HTTP/1.1 400 Bad Request\r\n\r\n"), .close,
        ])
        let error = try await failure(of: .get("https://127.0.0.1:\(peer.port)/"))
        #expect(error?.kind == .tlsHandshake)
        #expect(error?.phase == .tls)
        peer.stop()
    }

    /// R21, R22.
    @Test(arguments: ProtocolVariant.allCases)
    func aTruncatedBodyIsReportedAfterItsBytes(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/truncate/100000")
            var received = 0
            let error = await transportError {
                for try await chunk in response.body { received += chunk.count }
            }
            #expect(received == 50_000)
            #expect(error?.replay == .responseStarted)
            #expect(error?.phase == .body)
            #expect(error?.bytesReceived == 50_000)
        }
    }

    @Test func silenceInTheTLSHandshakeEndsInItsBudget() async throws {
        let peer = try ScriptedPeer(everyConnection: [.silence])
        var tuning = relaxedTuning
        tuning.dial.tlsTimeout = .milliseconds(50)
        let error = try await failure(of: .get("https://127.0.0.1:\(peer.port)/"), tuning)
        #expect(error?.kind == .timeout)
        #expect(error?.phase == .tls)
        peer.stop()
    }

    /// R22: each deadline can be matched by its kind and phase.
    @Test(arguments: ProtocolVariant.allCases)
    func theTimeoutsOfARequestAreKept(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            var options = RequestOptions()
            options.headTimeout = .milliseconds(50)
            let head = await transportError {
                _ = try await stand.client.send(.get(stand.url("/hang")), options: options)
            }
            #expect(head?.kind == .timeout)
            #expect(head?.phase == .head)

            options = RequestOptions()
            options.readIdleTimeout = .milliseconds(50)
            let silent = try await stand.client.send(
                .get(stand.url("/head-then-hang")), options: options)
            let idle = await transportError { _ = try await silent.body.collect(upTo: 1 << 20) }
            #expect(idle?.kind == .timeout)
            #expect(idle?.phase == .body)

            options = RequestOptions()
            options.totalTimeout = .milliseconds(50)
            let total = await transportError {
                let events = stand.url("/sse?n=100000&size=10&pace_us=1000")
                let endless = try await stand.client.send(.get(events), options: options)
                for try await _ in endless.body {}
            }
            #expect(total?.kind == .timeout)
            #expect(total?.phase == .total)
        }
    }

    @Test func anUploadOfUnknownLengthThatHasLeftIsNotBeingSent() async throws {
        let body = RequestBody.stream { Pieces([Bytes("hello")]) }
        let peer = try ScriptedPeer([
            [
                .expectHead,
                .expect { bytes in
                    bytes.suffix(5).elementsEqual("0\r\n\r\n".utf8) ? bytes.count : nil
                }, .close,
            ]
        ])
        let engine = try TransportEngine()
        let http1 = await transportError {
            _ = try await engine.send(.post("http://127.0.0.1:\(peer.port)/"), body: body)
        }
        #expect(http1?.kind == .truncated)
        #expect(http1?.phase == .head)
        await engine.shutdown()
        peer.stop()

        try await withHTTP2([
            .send(HTTP2Frames.settings()), .request(1),
            .expect { bytes in
                let frames = HTTP2Frames.frames(Array(bytes))
                let isEnd = frames.contains { $0.type == HTTP2Frames.dataType && $0.flags == 1 }
                return isEnd ? bytes.count : nil
            }, .halfClose, .readUntilEnd,
        ]) { stand in
            let http2 = await transportError { _ = try await stand.post(body) }
            #expect(http2?.kind == .truncated)
            #expect(http2?.phase == .head)
        }
    }

    @Test func whatCannotBeSentIsRefusedBeforeAnythingIsDialled() async throws {
        let engine = try TransportEngine()
        for url in [
            "ftp://host/", "http://", "http:///path", "http://host:99999/", "http://a b/",
            "host/path",
        ] {
            #expect(throws: TransportError.self, "\(url)") { try HTTPRequest.get(url) }
        }
        var request = try HTTPRequest.get("http://127.0.0.1:1/")
        request.path = "/a b"
        let path = await transportError { _ = try await engine.send(request) }
        #expect(path?.kind.name == "invalidRequest")
        request.path = "/"
        request.authority = "user:secret@127.0.0.1:1"
        let authority = await transportError { _ = try await engine.send(request) }
        #expect(authority?.kind.name == "invalidRequest")
        #expect(authority?.description.contains("secret") == false)
        #expect(engine.snapshot().dialFailures == 0)
        await engine.shutdown()
    }

    @Test func aTuningOutOfRangeIsRefusedByName() throws {
        var tuning = EngineTuning.default
        tuning.pool.maxIdle = -1
        let error = #expect(throws: InvalidTuning.self) { try TransportEngine(tuning) }
        #expect(error?.field == "pool.maxIdle")
    }

    private func failure(
        of request: HTTPRequest, _ tuning: EngineTuning = relaxedTuning
    ) async throws -> TransportError? {
        let engine = try TransportEngine(tuning)
        let error = await transportError {
            let response = try await engine.send(request)
            _ = try await response.body.collect(upTo: 1 << 20)
        }
        await engine.shutdown()
        return error
    }
}
