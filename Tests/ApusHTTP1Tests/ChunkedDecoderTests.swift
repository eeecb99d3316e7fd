import ApusCore
import ApusHTTP1
import Testing

/// Chunked bodies (RFC 9112, section 7.1); the transcripts show more.
@Suite struct ChunkedDecoderTests {
    private static let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test(arguments: [
        ("0\r\n\r\n", ["end"]), ("00\r\n\r\n", ["end"]),
        ("3\r\nabc\r\n0\r\n\r\n", ["body 3..<6", "end"]),
        ("a;b=c\r\n0123456789\r\n0\r\nX: y\r\n\r\n", ["body 7..<17", "end"]),
        ("A \t;b\r\n0123456789\r\n", ["body 7..<17"]), ("3\r\nab", ["body 3..<5"]),
    ])
    func aBodyIsTakenApart(text: String, events: [String]) throws {
        var machine = HTTP1Session(limits: .init())
        machine.startGet()
        _ = try machine.feed(Self.head)
        #expect(try machine.feed(text) == events)
    }

    @Test(arguments: [
        "\r\n", ";a\r\n", "g\r\n", "-1\r\n", "0x1\r\n", "1\n", "1\rx", "1 \r\n", "1;\r\n",
        "1;a\n", "1\r\nab", "1\r\na\n", "00000000000000000\r\n", "8000000000000000\r\n",
        "0\r\nContent-Length: 1\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ])
    func aBrokenBodyIsRefused(text: String) throws {
        var machine = HTTP1Session(limits: .init())
        machine.startGet()
        _ = try machine.feed(Self.head)
        let error = #expect(throws: HTTP1Error.self) { try machine.feed(text) }
        #expect(error?.reason == .malformed)
    }

    @Test func theExtensionsOfOneChunkAreBounded() throws {
        let limits = EngineTuning.Limits()
        for excess in [0, 1] {
            var machine = HTTP1Session(limits: limits)
            machine.startGet()
            _ = try machine.feed(Self.head)
            let text = "1;" + String(repeating: "x", count: limits.chunkExtensionBytes + excess)
            if excess == 0 {
                #expect(try machine.feed(text + "\r\n") == [])
            } else {
                let error = #expect(throws: HTTP1Error.self) { try machine.feed(text + "\r\n") }
                #expect(error?.reason == .tooLarge)
            }
        }
    }
}
