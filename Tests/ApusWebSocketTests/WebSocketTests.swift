import Apus
import ApusWebSocket
import Loopback
import Testing

/// Web sockets over HTTP/1.1 to the loopback server.
@Suite(.timeLimit(.minutes(5))) struct WebSocketTests {
    @Test(arguments: [false, true]) func messagesGoBothWays(isSecure: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackWebSocketServer(
            tls: isSecure ? FixturePaths.certificate("leaf") : nil)
        defer { server.stop() }
        try await withEngine { engine in
            let url = "\(isSecure ? "wss" : "ws")://localhost:\(server.port)/echo"
            let socket = try await WebSocket.connect(url, over: engine, options: .patient)
            #expect(socket.version == .http1)
            #expect(socket.head.status.code == 101)
            #expect(socket.subprotocol == nil && !socket.isCompressed)
            try await exchangeEchoes(socket)
            try await eventually("the connection has ended") { server.connectionsOpen == 0 }
            try await eventually("the pool is empty") { engine.snapshot().connections == 0 }
        }
    }

    @Test func theHandshakeIsThatOfTheRFC() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.subprotocols = ["chat", "superchat"]
            options.compression = .init()
            let request = try HTTPRequest(
                .get, url: "http://127.0.0.1:\(server.port)/subprotocol/superchat",
                fields: [.origin: "http://a.example"])
            let socket = try await WebSocket.connect(request, over: engine, options: options)
            #expect(socket.subprotocol == "superchat")
            let head = try #require(server.handshakes.first).lowercased()
            for line in [
                "get /subprotocol/superchat http/1.1", "upgrade: websocket",
                "sec-websocket-version: 13", "sec-websocket-protocol: chat, superchat",
                "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
                "origin: http://a.example", "connection: upgrade",
            ] {
                #expect(head.contains(line + "\r\n"), "\(line)")
            }
            socket.cancel()
        }
    }

    @Test func messagesAreASequence() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            let socket = try await WebSocket.connect(
                "ws://127.0.0.1:\(server.port)/echo", over: engine, options: .patient)
            for number in 0..<10 { try await socket.send("\(number)") }
            var texts: [WebSocketMessage] = []
            for try await message in socket.messages {
                texts.append(message)
                if texts.count == 10 { break }
            }
            #expect(texts == (0..<10).map { .text("\($0)") })
            try await socket.close()
            for try await _ in socket.messages { Issue.record("a message after the end") }
        }
    }

    /// The refusal's status and body can be inspected, as the web-socket executors need.
    @Test func aRefusedHandshakeIsAnOrdinaryResponse() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            let error = await webSocketError {
                _ = try await WebSocket.connect(
                    "ws://127.0.0.1:\(server.port)/refuse", over: engine, options: .patient)
            }
            let response = try #require(error?.response)
            #expect(response.status == .forbidden)
            #expect(String(try await response.body.collect(upTo: 100)) == "no\n")
        }
    }

    @Test(arguments: ["wrong", "subprotocol/other", "extension"])
    func aWrongHandshakeIsAnErrorAndEndsTheConnection(path: String) async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            let error = await webSocketError {
                _ = try await WebSocket.connect(
                    "ws://127.0.0.1:\(server.port)/\(path)", over: engine, options: .patient)
            }
            guard case .badHandshake? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            try await eventually("the connection has ended") { server.connectionsOpen == 0 }
        }
    }

    @Test func aSilentServerEndsInTheHandshakeTimeout() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.handshakeTimeout = .milliseconds(100)
            let error = await webSocketError {
                _ = try await WebSocket.connect(
                    "ws://127.0.0.1:\(server.port)/silent", over: engine, options: options)
            }
            #expect(error?.transportError?.kind == .timeout)
        }
    }

    @Test func droppingTheLastReferenceClosesTheConnection() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            var socket: WebSocket? = try await WebSocket.connect(
                "ws://127.0.0.1:\(server.port)/echo", over: engine)
            try await socket?.send("a")
            #expect(try await socket?.receive() == .text("a"))
            var messages = socket?.messages
            socket = nil
            #expect(server.connectionsOpen == 1)
            #expect(messages != nil)
            messages = nil
            try await eventually("the connection has ended") { server.connectionsOpen == 0 }
        }
    }

    @Test func manyTasksSendWholeMessages() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        try await withEngine { engine in
            var options = WebSocketOptions.patient
            options.maxSentFrameSize = 1000
            let socket = try await WebSocket.connect(
                "ws://127.0.0.1:\(server.port)/echo", over: engine, options: options)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in UInt8(0)..<10 {
                    group.addTask {
                        for size in 1..<20 {
                            try await socket.send(
                                .binary(Bytes([UInt8](repeating: sender, count: size * 300))))
                        }
                    }
                }
                var sizes: [UInt8: [Int]] = [:]
                for _ in 0..<190 {
                    guard case .binary(let bytes)? = try await socket.receive() else { break }
                    let isWhole = bytes.allSatisfy { $0 == bytes[0] }
                    #expect(isWhole)
                    sizes[bytes[0], default: []].append(bytes.count)
                }
                for sender in UInt8(0)..<10 {
                    #expect(sizes[sender] == (1..<20).map { $0 * 300 })
                }
                try await group.waitForAll()
            }
            try await socket.close()
        }
    }

    /// A server that does not read stops a sender; the sender's cancellation frees it.
    @Test func backpressureStopsASender() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, .reply { Self.accept($0) }, .silence,
        ])
        defer { peer.stop() }
        try await withEngine { engine in
            let socket = try await WebSocket.connect(
                "ws://127.0.0.1:\(peer.port)/", over: engine, options: .patient)
            let sent = Counter()
            let sender = Task {
                while true {
                    try await socket.send(.binary(Bytes([UInt8](repeating: 1, count: 100_000))))
                    sent.add()
                }
            }
            try await eventually("the sender has stopped") {
                let before = sent.value
                try? await Task.sleep(for: .milliseconds(200))
                return before > 0 && sent.value == before
            }
            #expect(sent.value < 1000)
            sender.cancel()
            #expect(await webSocketError { try await sender.value }?.isCancelled == true)
            socket.cancel()
        }
    }

    /// The answer to the handshake in what a scripted peer received.
    static func accept(_ received: [UInt8]) -> [UInt8] {
        let head = String(decoding: received, as: UTF8.self)
        let key =
            head.split(separator: "\r\n").first {
                $0.lowercased().hasPrefix("sec-websocket-key:")
            }?.split(separator: " ").last ?? ""
        let accept = HandshakeKey(text: String(key)).accept
        return Array(
            ("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                + "sec-websocket-accept: \(accept)\r\n\r\n").utf8)
    }

    /// Frames that come with the response's head are read first (R18).
    @Test func framesInTheSameSegmentAsTheHead() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, .reply { Self.accept($0) + wire(1, "early") + closeFrame(1000) },
            .readUntilEnd,
        ])
        defer { peer.stop() }
        try await withEngine { engine in
            let socket = try await WebSocket.connect(
                "ws://127.0.0.1:\(peer.port)/", over: engine, options: .patient)
            #expect(try await socket.receive() == .text("early"))
            #expect(try await socket.receive() == nil)
            #expect(await peer.connection(0) { $0.hasEnded })
            // The Close was answered: masked, code 1000.
            let received = peer.transcript(0).received
            let frame = Array(received.suffix(8))
            #expect(Array(frame.prefix(2)) == [0x88, 0x82])
            #expect([frame[6] ^ frame[2], frame[7] ^ frame[3]] == [3, 0xE8])
        }
    }

    @Test(arguments: [
        "ftp://a.example/", "a.example", "ws://a.example/#part", "ws://", "ws://a.example:0/",
    ])
    func wrongURLs(url: String) async {
        let transport = Answering(HTTPResponse(status: .ok))
        let error = await webSocketError { _ = try await WebSocket.connect(url, over: transport) }
        switch error {
        case .invalidUse?: break
        case .transport(let error)?: #expect(error.invalidRequest != nil)
        default: Issue.record("\(String(describing: error))")
        }
        #expect(transport.requests.isEmpty)
    }
}
