import Apus
import ApusWebSocket

/// The code of the article ApusWebSocket, word for word; GuideTests compares.
enum GuideExamples {
    static func overview(_ client: some HTTPTransport) async throws {
        let socket = try await WebSocket.connect("wss://a.example/chat", over: client)
        try await socket.send("hello")
        for try await message in socket.messages {
            switch message {
            case .text(let text): print(text)
            case .binary(let bytes): print(bytes.count, "bytes")
            }
        }
    }

    static func closing(_ socket: WebSocket) async throws {
        try await socket.close(code: .goingAway, reason: "the program ends")
    }

    static func handshake(_ client: some HTTPTransport, url: String, token: String) async throws {
        var options = WebSocketOptions()
        options.subprotocols = ["chat.v2", "chat.v1"]
        options.request.proxy = try ProxySetting(parsing: "socks5h://proxy.example:1080")
        do {
            let request = try HTTPRequest.get(url, fields: [.authorization: "Bearer \(token)"])
            let socket = try await WebSocket.connect(request, over: client, options: options)
            print(socket.subprotocol ?? "none")
        } catch WebSocketError.refused(let response) {
            let reason = try await response.body.collect(upTo: 64 * 1024)
            print(response.status.code, String(reason))
        }
    }

    static func compression() -> WebSocketOptions {
        var options = WebSocketOptions()
        var compression = WebSocketOptions.Compression()
        compression.clientContextTakeover = false
        compression.serverContextTakeover = false
        options.compression = compression
        return options
    }
}
