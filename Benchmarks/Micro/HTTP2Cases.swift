import ApusCore
import ApusHTTP2
import HTTPTypes

/// Whole exchanges of a session with a peer in memory.
func http2Cases() -> [Case] {
    [
        Case(name: "h2-round-trip", title: "a request and its response over HTTP/2, in memory") {
            let peer = try MemoryPeer()
            return { try peer.exchange(pieces: 1, of: 1024) }
        },
        Case(name: "h2-events-10", title: "the same with 10 events of 200 bytes") {
            let peer = try MemoryPeer()
            return { try peer.exchange(pieces: 10, of: 200) }
        },
    ]
}

/// The peer of a session: its frames are made from bytes that are the same for each stream but for
/// the stream's number.
private final class MemoryPeer {
    private let session: HTTP2Session
    private let message = request()
    private let head: [UInt8]
    private var output: [UInt8] = []
    private var input: [UInt8] = []

    init() throws {
        session = try HTTP2Session(.init(), limits: .init())
        // ":status: 200" and "content-type: text/html" of the static table, a date and a server as
        // literals without indexing (RFC 7541, section 6.2.2).
        head =
            [0x88] + Self.literal("content-type", "text/event-stream")
            + Self.literal("date", "Thu, 01 Jan 2026 00:00:00 GMT")
            + Self.literal("server", "nginx") + Self.literal("request-id", "req_0123456789abcdef")
        try receive([0, 0, 0, 4, 0, 0, 0, 0, 0] + [0, 0, 0, 4, 1, 0, 0, 0, 0])
    }

    func exchange(pieces: Int, of size: Int) throws {
        let stream = try session.submit(message, hasBody: false)
        output.removeAll(keepingCapacity: true)
        try session.appendOutput(to: &output)
        input.removeAll(keepingCapacity: true)
        addFrame(type: 1, flags: 4, stream, head.count)
        input.append(contentsOf: head)
        for piece in 1...pieces {
            addFrame(type: 0, flags: piece == pieces ? 1 : 0, stream, size)
            input.append(contentsOf: repeatElement(UInt8(ascii: "x"), count: size))
        }
        try receive(input)
    }

    private func receive(_ bytes: [UInt8]) throws {
        try session.bytesReceived(bytes.span.bytes)
        while let event = session.nextEvent() {
            if case .body(let stream, let bytes) = event {
                session.consumed(bytes.count, on: stream)
            }
        }
        output.removeAll(keepingCapacity: true)
        try session.appendOutput(to: &output)
    }

    private func addFrame(type: UInt8, flags: UInt8, _ stream: HTTP2StreamID, _ length: Int) {
        for shift in [16, 8, 0] { input.append(UInt8(truncatingIfNeeded: length >> shift)) }
        input.append(type)
        input.append(flags)
        for shift in [24, 16, 8, 0] { input.append(UInt8(truncatingIfNeeded: stream >> shift)) }
    }

    private static func literal(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
    }
}
