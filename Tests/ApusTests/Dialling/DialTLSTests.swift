import Apus
import Loopback
import Testing

/// TLS that goes wrong in the handshake or after it: rows 46 to 54.
@Suite(.timeLimit(.minutes(5))) struct DialTLSTests {
    private static let leaf = FixturePaths.certificate("leaf")

    @Test("row 46: an alert in the middle of a body comes after what was delivered")
    func anAlertInTheBody() async throws {
        try await withPeer([
            .startTLS(DialTLSTests.leaf), .expectHead,
            .sendText("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"), .fatalAlert,
            .readUntilEnd,
        ]) { engine, url in
            var received = 0
            let error = await transportError {
                for try await chunk in try await engine.send(.get(url)).body {
                    received += chunk.count
                }
            }
            #expect(received == 5)
            #expect(error?.kind == .tlsAlert)
            #expect(error?.phase == .body)
            #expect(error?.replay == .responseStarted)
            #expect(error?.bytesReceived == 5)
            expectEmpty(engine)
        }
    }

    @Test(
        "row 47: a complete message needs no close_notify",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ])
    func aCompleteMessageWithoutCloseNotify(_ answer: String) async throws {
        try await withPeer([
            .startTLS(DialTLSTests.leaf), .expectHead, .sendText(answer), .close,
        ]) { engine, url in
            for _ in 0..<2 { try await fetch(engine, url) }
            try await eventually("the connection is gone") { engine.snapshot().connections == 0 }
        }
    }

    @Test(
        "row 48: a message cut without close_notify is truncated",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
        ])
    func aMessageCutWithoutCloseNotify(_ answer: String) async throws {
        try await withPeer([
            .startTLS(DialTLSTests.leaf), .expectHead, .sendText(answer), .close,
        ]) { engine, url in
            let error = await transportError { try await fetch(engine, url) }
            #expect(error?.kind == .truncated, "\(String(describing: error))")
            #expect(error?.phase == .body)
            #expect(error?.replay == .responseStarted)
            #expect(error?.bytesReceived == 5)
            expectEmpty(engine)
        }
    }

    @Test("row 48: a body that ends with close_notify and the connection is whole")
    func aBodyEndedByCloseNotify() async throws {
        try await withPeer([
            .startTLS(DialTLSTests.leaf), .expectHead, .sendText("HTTP/1.1 200 OK\r\n\r\nhello"),
            .closeNotify, .close,
        ]) { engine, url in
            try await expectStatus(200, engine, url)
        }
    }

    @Test("rows 47 and 48: over HTTP/2 END_STREAM marks a whole message", arguments: [true, false])
    func http2WithoutCloseNotify(isWhole: Bool) async throws {
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        // HEADERS on stream 1, ":status: 200"; then "hello" with or without END_STREAM.
        let answer: [UInt8] =
            [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88]
            + [0, 0, 5, 0, isWhole ? 1 : 0, 0, 0, 0, 1] + Array("hello".utf8)
        try await withPeer([
            // The long path makes sure that the request's HEADERS are in.
            .startTLS(DialTLSTests.leaf, alpn: ["h2"]), .send(settings), .expectBytes(1000),
            .send(answer), .close,
        ]) { engine, url in
            let long = url + String(repeating: "X", count: 1000)
            let client = ExecutorClient(engine, versions: .http2Only)
            guard !isWhole else {
                try await expectStatus(200, client, long)
                return
            }
            let error = await transportError { try await fetch(client, long) }
            #expect(error?.kind == .truncated, "\(String(describing: error))")
            #expect(error?.phase == .body)
            #expect(error?.replay == .responseStarted)
            #expect(error?.bytesReceived == 5)
            expectEmpty(engine)
        }
    }

    @Test("row 49: plaintext after the handshake fails TLS")
    func plaintextAfterTheHandshake() async throws {
        try await withPeer([
            .startTLS(DialTLSTests.leaf), .expectHead,
            .sendRaw(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)), .readUntilEnd,
        ]) { engine, url in
            let error = await transportError { try await fetch(engine, url) }
            #expect(error?.kind == .tlsAlert, "\(String(describing: error))")
            #expect(error?.phase == .head)
            #expect(error?.replay == .unknown)
            expectEmpty(engine)
        }
    }

    @Test(
        "rows 49 and 50: a handshake that cannot end is reported as such",
        arguments: [
            [.expectBytes(1), .sendText("garbage garbage garbage"), .readUntilEnd],
            [.expectBytes(1), .send([0x16, 3, 3, 0xff, 0xff]), .readUntilEnd],
            [.expectBytes(1), .halfClose, .readUntilEnd],
            [.expectBytes(1), .send([0x16, 3, 3]), .halfClose, .readUntilEnd],
            [.expectBytes(1), .reset], [.close],
        ] as [[ScriptedPeer.Step]])
    func aBrokenHandshake(_ script: [ScriptedPeer.Step]) async throws {
        try await withPeer(script) { engine, url in
            let error = await dialError(engine, url)
            #expect(error?.kind == .tlsHandshake, "\(String(describing: error))")
            #expect(error?.phase == .tls)
            #expect(error?.hop == .origin)
            #expect(error?.attempts.map(\.outcome) == ["connected"])
            expectEmpty(engine)
        }
    }

    @Test(
        "row 50: a handshake that stalls costs its budget",
        arguments: [
            [.silence], [.expectBytes(1), .send([0x16, 3, 3]), .silence],
        ] as [[ScriptedPeer.Step]])
    func aStalledHandshake(_ script: [ScriptedPeer.Step]) async throws {
        var tuning = relaxedTuning
        tuning.dial.tlsTimeout = .milliseconds(50)
        try await withPeer(script, tuning) { engine, url in
            let error = await dialError(engine, url)
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .tls)
            expectEmpty(engine)
        }
    }

    @Test(
        "row 51: what ALPN says is spoken, and all who wait are served",
        arguments: [
            [String](), ["http/1.1"],
        ])
    func anHTTP1AnswerMovesTheWaiters(_ alpn: [String]) async throws {
        try await withOrigin({ $0.alpn = alpn }) { engine, server, url in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 { group.addTask { try await fetch(engine, url + "delay/5") } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(server.counters.requests == 8)
            #expect(engine.snapshot().dialFailures == 0)
            #expect(engine.snapshot().waiting == 0)
            let strict = ExecutorClient(engine, versions: .http2Only)
            let error = await dialError(strict, url)
            #expect(error?.kind == .tlsHandshake)
            #expect(error?.phase == .tls)
        }
    }

    @Test(
        "row 51: a protocol that was not offered fails the handshake",
        arguments: [
            HTTPVersionPolicy.automatic, .http2Only, .http1Only(alpn: .http1),
        ])
    func anUnknownProtocol(_ versions: HTTPVersionPolicy) async throws {
        try await withPeer([
            .startOddTLS(DialTLSTests.leaf, alpn: "spdy/9"), .readUntilEnd,
        ]) { engine, url in
            let error = await dialError(ExecutorClient(engine, versions: versions), url)
            #expect(error?.kind == .tlsHandshake, "\(String(describing: error))")
            #expect(error?.phase == .tls)
            expectEmpty(engine)
        }
    }

    @Test("row 51: an h2 answer to an offer of http/1.1 alone fails the handshake")
    func anAnswerThatWasNotOffered() async throws {
        try await withPeer([
            .startOddTLS(DialTLSTests.leaf, alpn: "h2"), .readUntilEnd,
        ]) { engine, url in
            let client = ExecutorClient(engine, versions: .http1Only(alpn: .http1))
            #expect(await dialError(client, url)?.kind == .tlsHandshake)
        }
    }

    @Test("row 52: a flood of KeyUpdates ends the connection, a few do not", arguments: [5, 5000])
    func keyUpdates(count: Int) async throws {
        try await withPeer([
            .startTLS(DialTLSTests.leaf), .expectHead, .keyUpdates(count),
            .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .readUntilEnd,
        ]) { engine, url in
            guard count > 100 else {
                try await expectStatus(200, engine, url)
                return
            }
            let error = await transportError { try await fetch(engine, url) }
            #expect(error?.kind == .tlsAlert, "\(String(describing: error))")
            #expect(error?.phase == .head)
            expectEmpty(engine)
        }
    }

    @Test("row 53: a renegotiation is never taken up")
    func renegotiation() async throws {
        try await withPeer([
            .startOddTLS(DialTLSTests.leaf), .expectHead, .renegotiate,
            .expectBytes(1), .readUntilEnd,
        ]) { engine, url in
            let error = await transportError { try await fetch(engine, url) }
            #expect(["tlsAlert", "truncated", "reset"].contains(error?.kind.name))
            #expect(error?.replay == .unknown)
            expectEmpty(engine)
        }
    }

    @Test("row 54: a refused session costs a full handshake, nothing else")
    func aRefusedSession() async throws {
        try await withOrigin { engine, server, url in
            var once = RequestOptions()
            once.reuse = .oneShot
            for _ in 0..<3 { try await fetch(engine, url, options: once) }
            let resumed = server.counters.tlsResumed
            #expect(resumed > 0)
            try server.forgetSessions()
            try await expectStatus(200, engine, url, options: once)
            #expect(server.counters.tlsResumed == resumed)
            for _ in 0..<3 { try await fetch(engine, url, options: once) }
            #expect(server.counters.tlsResumed > resumed)
            #expect(engine.snapshot().dialFailures == 0)
        }
    }

    @Test("unusable settings are reported, and tried again by the next dial")
    func unusableSettings() async throws {
        var tuning = relaxedTuning
        tuning.tls.identity = .init(certificateFile: "/nowhere.pem", keyFile: "/nowhere.key")
        try await withPeer([.silence], tuning) { engine, url in
            for _ in 0..<2 {
                let error = await dialError(engine, url)
                #expect(error?.kind == .tlsHandshake)
                #expect(error?.phase == .tls)
                #expect(error?.message.contains("/nowhere.pem") == true)
            }
        }
    }

    /// Opening a pipe without a writer blocks, as a file on a dead network drive does.
    @Test("settings that are slow to load cost the TLS budget, and never hold up the loop")
    func slowSettings() async throws {
        let pipe = try TemporaryPipe()
        var tuning = relaxedTuning
        tuning.tls.identity = .init(certificateFile: pipe.path, keyFile: pipe.path)
        tuning.dial.tlsTimeout = .milliseconds(200)
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withPeer([.silence], tuning) { engine, url in
            let slow = (0..<3).map { index in
                Task {
                    var options = RequestOptions()
                    options.isolation = IsolationScope("\(index)")
                    return await dialError(engine, url, options: options)
                }
            }
            try await eventually("the pipe is being opened") { pipe.hasReader }
            // The loop is free: it serves others meanwhile.
            try await expectStatus(200, engine, "http://127.0.0.1:\(server.port)/")
            for task in slow {
                let error = await task.value
                #expect(error?.kind == .timeout)
                #expect(error?.phase == .tls)
            }
            pipe.release()
        }
    }

    private func withPeer(
        _ script: [ScriptedPeer.Step], _ tuning: EngineTuning = relaxedTuning,
        _ body: (TransportEngine, String) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(everyConnection: script)
        defer { peer.stop() }
        try await withEngine(tuning, ports: [peer.port]) { engine in
            try await body(engine, "https://localhost:\(peer.port)/")
        }
    }

    private func withOrigin(
        _ configure: (inout LoopbackServer.Options) -> Void = { _ in },
        _ body: (TransportEngine, LoopbackServer, String) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: DialTLSTests.leaf)
        configure(&options)
        let server = try LoopbackServer(options)
        defer { server.stop() }
        try await withEngine(ports: [server.port]) { engine in
            try await body(engine, server, "https://localhost:\(server.port)/")
        }
    }
}
