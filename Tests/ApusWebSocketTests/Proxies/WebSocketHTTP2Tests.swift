import Apus
import ApusWebSocket
import Loopback
import Testing

private typealias Script = HTTP2Script

/// Web sockets over HTTP/2 (RFC 8441), and the fall-back to HTTP/1.1.
@Suite(.timeLimit(.minutes(5))) struct WebSocketHTTP2Tests {
    private static var secure: ScriptedPeer.Step {
        .startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"])
    }

    private func connect(
        _ peer: ScriptedPeer, _ engine: TransportEngine, _ version: WebSocketOptions.Version,
        _ change: (inout WebSocketOptions) -> Void = { _ in }
    ) async throws -> WebSocket {
        var options = WebSocketOptions.patient
        options.version = version
        change(&options)
        return try await WebSocket.connect(
            "wss://localhost:\(peer.port)/chat", over: engine, options: options)
    }

    @Test(arguments: [WebSocketOptions.Version.http2, .http2ThenHTTP1])
    func aStreamCarriesAWebSocket(version: WebSocketOptions.Version) async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(everyConnection: [
            Self.secure, .send(Script.settings(offersConnect: true)),
            Script.expect(Script.headersType),
            .send(
                Script.head(200, [("sec-websocket-protocol", "chat")])
                    + Script.data(wire(1, "hel", fin: false)) + Script.data(wire(0, "lo"))),
            Script.expect(Script.dataType), .send(Script.data(closeFrame(1000), end: true)),
            .readUntilEnd,
        ])
        defer { peer.stop() }
        try await withEngine { engine in
            let socket = try await connect(peer, engine, version) { $0.subprotocols = ["chat"] }
            #expect(socket.version == .http2)
            #expect(socket.head.status == .ok)
            #expect(socket.subprotocol == "chat")
            #expect(try await socket.receive() == .text("hello"))
            try await socket.send("up")
            #expect(try await socket.receive() == nil)
            try await eventually("the Close was answered") {
                let sent = Script.content(of: peer.transcript(0).received)
                return play([sent], role: .server).events
                    == [.message(.text("up")), .closed(WebSocketClose(.normal))]
            }
            // The stream has ended, the connection has not.
            try await eventually("the stream has ended") { engine.snapshot().exchanges == 0 }
            #expect(engine.snapshot().connections == 1)
            #expect(peer.connectionCount == 1)
        }
    }

    @Test func aRefusalIsAnOrdinaryResponse() async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(everyConnection: [
            Self.secure, .send(Script.settings(offersConnect: true)),
            Script.expect(Script.headersType),
            .send(Script.head(403) + Script.data(Array("no\n".utf8), end: true)), .readUntilEnd,
        ])
        defer { peer.stop() }
        try await withEngine { engine in
            let error = await webSocketError {
                _ = try await connect(peer, engine, .http2ThenHTTP1)
            }
            let response = try #require(error?.response)
            #expect(response.status == .forbidden && response.version == .http2)
            #expect(String(try await response.body.collect(upTo: 10)) == "no\n")
        }
    }

    /// A server that does not offer it gets an upgrade over a new connection; `.http2` gets an
    /// error.
    @Test func aServerWithoutExtendedConnectGetsAnUpgrade() async throws {
        try FixturePaths.ensureCertificates()
        let refusing: [ScriptedPeer.Step] = [
            Self.secure, .send(Script.settings(offersConnect: false)), .readUntilEnd,
        ]
        let peer = try ScriptedPeer(
            [refusing],
            otherwise: [
                .startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"]), .expectHead,
                .reply { WebSocketTests.accept($0) + wire(1, "hello") + closeFrame(1000) },
                .readUntilEnd,
            ])
        defer { peer.stop() }
        try await withEngine { engine in
            let error = await webSocketError { _ = try await connect(peer, engine, .http2) }
            #expect(error?.transportError?.invalidRequest?.field == "protocol")
            let socket = try await connect(peer, engine, .http2ThenHTTP1)
            #expect(socket.version == .http1)
            #expect(try await socket.receive() == .text("hello"))
            #expect(try await socket.receive() == nil)
        }
    }

    /// A server that chooses HTTP/1.1 by ALPN, or refuses "h2", gets an upgrade.
    @Test func aServerWithoutHTTP2GetsAnUpgrade() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackWebSocketServer(tls: FixturePaths.certificate("leaf"))
        defer { server.stop() }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.version = .http2ThenHTTP1
            let socket = try await WebSocket.connect(
                "wss://localhost:\(server.port)/echo", over: engine, options: options)
            #expect(socket.version == .http1)
            try await exchangeEchoes(socket, sizes: [10])
        }
    }

    @Test func aResetOfTheStreamIsAnError() async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(everyConnection: [
            Self.secure, .send(Script.settings(offersConnect: true)),
            Script.expect(Script.headersType),
            .send(
                Script.head(200) + Script.data(wire(1, "a"))
                    + Script.frame(3, stream: 1, [0, 0, 0, 2])),
            .readUntilEnd,
        ])
        defer { peer.stop() }
        try await withEngine { engine in
            let socket = try await connect(peer, engine, .http2)
            #expect(try await socket.receive() == .text("a"))
            let error = await webSocketError { _ = try await socket.receive() }
            #expect(error?.transportError?.kind == .h2Stream(code: 2))
        }
    }
}
