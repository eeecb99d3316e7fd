import Glibc
import Loopback
import Testing

/// Frames by hand (RFC 9113), so that the origin meets no second copy of its own library.
private struct FrameClient {
    struct Frame {
        var type: UInt8
        var flags: UInt8
        var stream: UInt8
        var payload: [UInt8]
    }

    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
    }
    static let endStream: UInt8 = 1
    static let endHeaders: UInt8 = 4

    private let socket: PlainClient

    init?(_ port: UInt16) {
        guard let socket = PlainClient(port) else { return nil }
        self.socket = socket
        socket.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        send(Kind.settings, 0, stream: 0, [])
        // So that one stream's window, and not the connection's, is what ends first.
        send(Kind.windowUpdate, 0, stream: 0, [0, 16, 0, 0])
    }

    func send(_ type: UInt8, _ flags: UInt8, stream: UInt8, _ payload: [UInt8]) {
        let count = payload.count
        let length = [UInt8(count >> 16), UInt8(count >> 8 & 255), UInt8(count & 255)]
        socket.send(length + [type, flags, 0, 0, 0, stream] + payload)
    }

    /// Sends a request head; `isLast` says that no content follows.
    func request(_ path: String, stream: UInt8, method: UInt8 = 0x82, isLast: Bool = true) {
        // Static table: method, scheme; then a literal path and authority.
        var block: [UInt8] = [method, 0x86, 0x04, UInt8(path.utf8.count)] + Array(path.utf8)
        block += [0x01, 1, 0x78]
        let flags = isLast ? Self.endHeaders | Self.endStream : Self.endHeaders
        send(Kind.headers, flags, stream: stream, block)
    }

    /// The next frame on any stream but 0, or of this type.
    func next(_ type: UInt8? = nil) -> Frame? {
        while true {
            let head = socket.bytes(9)
            guard head.count == 9 else { return nil }
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            let payload = socket.bytes(length)
            let frame = Frame(type: head[3], flags: head[4], stream: head[8], payload: payload)
            if let type {
                if frame.type == type { return frame }
            } else if frame.stream != 0 {
                return frame
            }
        }
    }

    /// The content of one answer up to its end.
    func content(of stream: UInt8) -> String {
        var bytes: [UInt8] = []
        while let frame = next() {
            guard frame.stream == stream else { continue }
            if frame.type == Kind.data { bytes += frame.payload }
            if frame.type == Kind.reset || frame.flags & Self.endStream != 0 { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite(.timeLimit(.minutes(5))) struct LoopbackHTTP2Tests {
    private typealias Kind = FrameClient.Kind

    private func serve(_ body: (FrameClient, LoopbackServer) throws -> Void) throws {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = true
        let server = try LoopbackServer(options)
        defer { server.stop() }
        try body(try #require(FrameClient(server.port)), server)
    }

    @Test(arguments: [
        ("/", "hello\n"), ("/status/404", "404\n"), ("/delay/1", "hello\n"),
        ("/connection", "id=0 request=1\n"), ("/sse?n=1&size=2", "data: 00\n\n"),
        ("/headers", ":method: GET\n:scheme: http\n:path: /headers\n:authority: x\n"),
        ("/informational", "hello\n"),
    ])
    func aRouteAnswersWithItsText(path: String, text: String) throws {
        try serve { client, _ in
            client.request(path, stream: 1)
            #expect(client.content(of: 1) == text)
        }
    }

    @Test func theSameServerSpeaksBothVersions() throws {
        try serve { _, server in
            let plain = try #require(PlainClient(server.port))
            plain.sendByteByByte("POST /close HTTP/1.1\r\n\r\n")
            #expect(plain.head().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func streamsAreServedSideBySide() throws {
        try serve { client, server in
            client.request("/hang", stream: 1)
            client.request("/endless", stream: 3)
            client.request("/connection", stream: 5)
            #expect(client.content(of: 5) == "id=0 request=3\n")
            #expect(server.counters.currentRequests >= 2)
        }
    }

    @Test func theStreamWindowStopsAnEndlessBody() throws {
        try serve { client, server in
            client.request("/endless", stream: 1)
            var received = 0
            while received < 65_535, let frame = client.next() {
                if frame.type == Kind.data { received += frame.payload.count }
            }
            client.send(Kind.ping, 0, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8])
            #expect(client.next(Kind.ping)?.payload == [1, 2, 3, 4, 5, 6, 7, 8])
            #expect(server.connections.first?.endlessBytes == [1: 65_535])
            client.send(Kind.reset, 0, stream: 1, [0, 0, 0, 8])
            client.request("/", stream: 3)
            _ = client.next(Kind.headers)
            #expect(server.counters.cancelledStreams == 1)
            #expect(server.counters.pings == 1)
        }
    }

    @Test func contentIsEchoedWhileItArrives() throws {
        try serve { client, _ in
            client.request("/echo", stream: 1, method: 0x83, isLast: false)
            client.send(Kind.data, 0, stream: 1, Array("one".utf8))
            #expect(client.next(Kind.data)?.payload == Array("one".utf8))
            client.send(Kind.data, FrameClient.endStream, stream: 1, Array("two".utf8))
            #expect(client.content(of: 1) == "two")
        }
    }

    @Test func contentIsCounted() throws {
        try serve { client, _ in
            client.request("/sink", stream: 1, method: 0x83, isLast: false)
            client.send(Kind.data, FrameClient.endStream, stream: 1, [1, 2, 3])
            #expect(client.content(of: 1) == "3\n")
        }
    }

    @Test(arguments: [("/reset/7", 7), ("/reset/8?after=10", 8), ("/truncate/100", 2)])
    func aBrokenAnswerEndsWithItsCode(path: String, code: UInt8) throws {
        try serve { client, _ in
            client.request(path, stream: 1)
            #expect(client.next(Kind.reset)?.payload == [0, 0, 0, code])
            client.request("/", stream: 3)
            #expect(client.content(of: 3) == "hello\n")
        }
    }

    @Test func anEarlyAnswerEndsTheUpload() throws {
        try serve { client, _ in
            client.request("/early/413", stream: 1, method: 0x83, isLast: false)
            #expect(client.content(of: 1) == "413\n")
            #expect(client.next(Kind.reset)?.payload == [0, 0, 0, 0])
        }
    }

    @Test func closingSaysGoAway() throws {
        try serve { client, _ in
            client.request("/close", stream: 1)
            let frame = try #require(client.next(Kind.goAway))
            #expect(frame.payload.prefix(8) == [0, 0, 0, 1, 0, 0, 0, 0])
            #expect(client.content(of: 1) == "hello\n")
            #expect(client.next()?.type == nil)
        }
    }

    @Test func idleConnectionsEndWithGoAway() throws {
        try serve { client, server in
            client.request("/", stream: 1)
            #expect(client.content(of: 1) == "hello\n")
            while server.connections.first?.isIdle != true { sched_yield() }
            server.closeIdleConnections()
            #expect(client.next(Kind.goAway) != nil)
        }
    }
}
