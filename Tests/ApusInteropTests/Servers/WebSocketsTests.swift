import Apus
import ApusWebSocket
import Loopback
import Testing

/// The library websockets of PyPI as the server: frames and compression that we had no part in.
@Suite(
    "websockets", .timeLimit(.minutes(5)), RunningTrait(programs: [WebSocketServer.websockets]),
    .serialized)
struct WebSocketsTests {
    /// Opens a web socket to a path of the server, and shuts the engine down at the end.
    @discardableResult
    private func with<Result>(
        _ path: String, isSecure: Bool = false,
        _ change: (inout WebSocketOptions) -> Void = { _ in },
        _ operation: (WebSocket) async throws -> Result
    ) async throws -> Result {
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        do {
            let port = try #require(
                try WebSocketServer.websockets.running().ports[isSecure ? "TLS" : "PLAIN"])
            var options = WebSocketOptions()
            options.handshakeTimeout = .seconds(120)
            options.closeTimeout = .seconds(120)
            change(&options)
            let socket = try await WebSocket.connect(
                "\(isSecure ? "wss" : "ws")://localhost:\(port)/\(path)", over: engine,
                options: options)
            let result = try await operation(socket)
            await engine.shutdown(drain: .zero)
            return result
        } catch {
            await engine.shutdown(drain: .zero)
            throw error
        }
    }

    static let compressions: [WebSocketOptions.Compression?] = [
        nil, .init(), .made { $0.clientContextTakeover = false },
        .made { $0.serverContextTakeover = false },
        .made {
            $0.clientWindowBits = 9
            $0.serverWindowBits = 9
        },
        .made {
            $0.clientContextTakeover = false
            $0.serverContextTakeover = false
            $0.minimumLength = 0
        },
    ]

    @Test("echoes, with and without TLS and compression", arguments: compressions, [false, true])
    func echoes(_ compression: WebSocketOptions.Compression?, _ isSecure: Bool) async throws {
        try await with("echo", isSecure: isSecure, { $0.compression = compression }) { socket in
            #expect(socket.isCompressed == (compression != nil))
            for size in [0, 1, 125, 126, 1000, 65_535, 65_536, 300_000] {
                let text = String(repeating: "κόσμε ", count: size / 11)
                let bytes = Bytes((0..<size).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 5) })
                // An echo needs both directions at once.
                async let sent: Void = send([.text(text), .binary(bytes)], over: socket)
                let first = try await socket.receive()
                let second = try await socket.receive()
                try await sent
                #expect(first == .text(text))
                #expect(second == .binary(bytes))
            }
            try await socket.close(code: .init(rawValue: 4321), reason: "κόσμε")
        }
        let seen = try await with("code") { try await $0.receive() }
        #expect(seen == .text("4321 κόσμε"))
    }

    private func send(_ messages: [WebSocketMessage], over socket: WebSocket) async throws {
        for message in messages { try await socket.send(message) }
    }

    @Test("our fragments are joined") func ourFragments() async throws {
        try await with("echo", { $0.maxSentFrameSize = 7 }) { socket in
            let text = String(repeating: "κόσμε", count: 100)
            try await socket.send(text)
            #expect(try await socket.receive() == .text(text))
            try await socket.close()
        }
    }

    @Test("the server's fragments are joined", arguments: [false, true])
    func theServersFragments(_ isCompressed: Bool) async throws {
        let change = { (options: inout WebSocketOptions) in
            options.compression = isCompressed ? .init() : nil
        }
        try await with("fragments", change) { socket in
            #expect(try await socket.receive() == .text("fragment"))
            guard case .binary(let bytes)? = try await socket.receive() else {
                Issue.record("no second message")
                return
            }
            #expect(bytes.count == 300_000)
            #expect(bytes[249_999] == 249)
            #expect(try await socket.receive() == nil)
        }
    }

    @Test("large messages, and the limit", arguments: [false, true])
    func large(_ isCompressed: Bool) async throws {
        let count = 4 * 1024 * 1024
        let compression: WebSocketOptions.Compression? = isCompressed ? .init() : nil
        try await with("large/\(count)", { $0.compression = compression }) { socket in
            guard case .text(let text)? = try await socket.receive(),
                case .binary(let bytes)? = try await socket.receive()
            else {
                Issue.record("no messages")
                return
            }
            #expect(text.utf8.count == count && bytes.count == count)
            #expect(try await socket.receive() == nil)
        }
        try await with(
            "large/\(count)",
            {
                $0.compression = compression
                $0.maxMessageSize = count - 1
            }
        ) { socket in
            do {
                _ = try await socket.receive()
                Issue.record("it was accepted")
            } catch WebSocketError.violation(let close) {
                #expect(close.code == .messageTooBig)
            }
        }
    }

    @Test("codes of a Close", arguments: [1000, 1001, 1002, 1003, 1011, 3000, 4999] as [UInt16])
    func codes(_ code: UInt16) async throws {
        try await with("close/\(code)") { socket in
            #expect(try await socket.receive() == .text("before"))
            do {
                let message = try await socket.receive()
                #expect(message == nil && code < 1002)
            } catch WebSocketError.closed(let close) {
                #expect(code > 1001)
                #expect(close.code.rawValue == code)
            }
            #expect(await socket.peerClose?.reason == "as asked")
        }
    }

    @Test("a ping is answered") func aPing() async throws {
        let messages = try await with("ping") { socket in
            [try await socket.receive(), try await socket.receive()]
        }
        #expect(messages == [.text("answered"), nil])
    }

    @Test("an end without a Close is an error") func anAbort() async throws {
        try await with("abort") { socket in
            do {
                let message = try await socket.receive()
                #expect(message == .text("before"))
                _ = try await socket.receive()
                Issue.record("no error")
            } catch WebSocketError.truncated {
            } catch WebSocketError.transport(let error) {
                #expect(error.kind == .reset)
            }
        }
    }

    @Test("a refusal is an ordinary response") func aRefusal() async throws {
        do {
            try await with("refuse") { _ in _ = Issue.record("it was opened") }
        } catch WebSocketError.refused(let response) {
            #expect(response.status == .forbidden)
        }
    }

    @Test("a subprotocol is chosen") func aSubprotocol() async throws {
        try await with("echo", { $0.subprotocols = ["chat.v3", "chat.v2"] }) { socket in
            #expect(socket.subprotocol == "chat.v2")
            try await socket.close()
        }
    }
}

extension WebSocketOptions.Compression {
    fileprivate static func made(_ change: (inout Self) -> Void) -> Self {
        var compression = Self()
        change(&compression)
        return compression
    }
}
