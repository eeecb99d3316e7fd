import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Long heads cost what their bytes cost, not the square of it: the limits guard against hanging
/// alone, and are passed many times over where the square is paid.
@Suite(.timeLimit(.minutes(1))) struct EffortTests {
    @Test func aValueFoldedOverVeryManyLinesIsReadInOnePass() throws {
        var limits = EngineTuning.Limits()
        limits.headBytes = 16 * 1024 * 1024
        var lenience = EngineTuning.Lenience()
        lenience.foldedFields = true
        let folds = 250_000
        var head = Array("HTTP/1.1 200 OK\r\nX: a\r\n".utf8)
        for _ in 0..<folds { head += Array(" 0123456789abcdef\r\n".utf8) }
        head += Array("Y: b\r\n c\r\nContent-Length: 0\r\n\r\n".utf8)
        var machine = HTTP1Connection(limits: limits, lenience: lenience)
        machine.requestStarted(method: .get, expectsClose: false, upgrade: nil)
        var offset = 0
        guard
            case .head(let response, _)? = try machine.nextEvent(
                in: head.span.bytes, offset: &offset)
        else {
            Issue.record("no head")
            return
        }
        let names = response.headerFields.map(\.name.rawName)
        #expect(names == ["X", "Y", "Content-Length"])
        #expect(response.headerFields.first?.value.utf8.count == 1 + 17 * folds)
        #expect(response.headerFields[.init("Y") ?? .eTag] == "b c")
    }

    @Test func veryManyCookiesAreJoinedInOnePass() throws {
        let name = try #require(HTTPField.Name("Cookie"))
        var request = HTTPRequest(method: .get, scheme: "http", authority: "h", path: "/")
        let count = 60_000
        for index in 0..<count {
            request.headerFields.append(HTTPField(name: name, value: "a=\(index)"))
        }
        var output: [UInt8] = []
        try RequestEncoder.appendHead(
            of: request, target: .origin, framing: .none, connection: .keepAlive,
            additional: [:], to: &output)
        let expected = (0..<count).map { "a=\($0)" }.joined(separator: "; ")
        #expect(
            String(decoding: output, as: UTF8.self)
                == "GET / HTTP/1.1\r\nHost: h\r\nCookie: \(expected)\r\n\r\n")
    }
}
