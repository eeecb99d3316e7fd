import ApusCore
import ApusHTTP1
import Testing

/// Heads at their bounds; the transcripts show more.
@Suite struct HeadParserTests {
    @Test(arguments: [0, 1])
    func aHeadHasABoundInBytes(excess: Int) throws {
        var limits = EngineTuning.Limits()
        limits.headBytes = 1024
        var machine = HTTP1Session(limits: limits)
        machine.startGet()
        let frame = "HTTP/1.1 204 No\r\nX: \r\n\r\n"
        let value = String(repeating: "x", count: limits.headBytes - frame.utf8.count + excess)
        let head = "HTTP/1.1 204 No\r\nX: \(value)\r\n\r\n"
        if excess == 0 {
            #expect(try machine.feed(head) == ["head 204 0", "end"])
        } else {
            let error = #expect(throws: HTTP1Error.self) { try machine.feed(head) }
            #expect(error?.reason == .tooLarge)
        }
    }

    @Test(arguments: [0, 1])
    func aHeadHasABoundInFields(excess: Int) throws {
        var limits = EngineTuning.Limits()
        limits.headFields = 3
        var machine = HTTP1Session(limits: limits)
        machine.startGet()
        let fields = String(repeating: "X: y\r\n", count: limits.headFields + excess)
        let head = "HTTP/1.1 204 No\r\n\(fields)\r\n"
        if excess == 0 {
            #expect(try machine.feed(head) == ["head 204 0", "end"])
        } else {
            let error = #expect(throws: HTTP1Error.self) { try machine.feed(head) }
            #expect(error?.reason == .tooLarge)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200\r\n", "HTTP/1.1 200 \r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 599 a b\r\n",
    ])
    func aStatusLineIsAccepted(line: String) throws {
        var machine = HTTP1Session(limits: .init())
        machine.startGet()
        #expect(try machine.feed(line + "Content-Length: 0\r\n\r\n").last == "end")
    }

    @Test(arguments: [
        "HTTP/2.0 200 OK\r\n", "http/1.1 200 OK\r\n", "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 099 OK\r\n", "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\n", " HTTP/1.1 200 OK\r\n",
    ])
    func aBrokenStatusLineIsRefused(line: String) throws {
        var machine = HTTP1Session(limits: .init())
        machine.startGet()
        let error = #expect(throws: HTTP1Error.self) {
            try machine.feed(line + "Content-Length: 0\r\n\r\n")
        }
        #expect(error?.reason == .malformed)
    }
}
