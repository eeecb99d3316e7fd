import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// How long a body is (RFC 9112, section 6.3); the transcripts show more.
@Suite struct BodyFramingTests {
    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", ["head 200 3"]),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n", ["head 200 3"]),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ["head 200 0", "end"]),
            ("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", ["head 204 0", "end"]),
            ("HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n", ["head 304 0", "end"]),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ["head 200 0"]),
            ("HTTP/1.1 200 OK\r\n\r\nx", ["head 200 0", "body 19..<20"]),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n", nil),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", nil),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", nil),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", nil),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", nil),
        ] as [(String, [String]?)])
    func aHeadSaysHowItsBodyEnds(text: String, events: [String]?) throws {
        var machine = HTTP1Session(limits: .init())
        machine.startGet()
        if let events {
            #expect(try machine.feed(text) == events)
        } else {
            let error = #expect(throws: HTTP1Error.self) { try machine.feed(text) }
            #expect(error?.reason == .malformed)
        }
    }

    @Test func aHeadRequestsResponseHasNoBody() throws {
        var machine = HTTP1Session(limits: .init())
        machine.requestStarted(method: .head, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        #expect(try machine.feed(head) == ["head 200 0", "end"])
        #expect(machine.isIdle)
    }
}
