import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Which of a request's fields go out, where `RequestEncoderTests` does not show it.
@Suite(.timeLimit(.minutes(1))) struct RequestFieldPlanTests {
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
