import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// What goes out, byte for byte.
@Suite struct RequestEncoderTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var method = HTTPRequest.Method.get
        var path: String? = "/"
        var fields: [(String, String)] = []
        var target = TargetForm.origin
        var framing = RequestFraming.none
        var connection = ConnectionOption.keepAlive
        var additional: HTTPFields = [:]
        var expected: [String]
    }

    static let cases: [Case] = [
        Case(
            testDescription: "nothing is added but Host",
            expected: ["GET / HTTP/1.1", "Host: example.com:8080"]),
        Case(
            testDescription: "Connection stays where the caller placed it, with the engine's value",
            fields: [("A", "1"), ("connection", "keep-alive"), ("B", "2")], connection: .close,
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "A: 1", "connection: close", "B: 2",
            ]),
        Case(
            testDescription: "Upgrade too, and the first place counts",
            fields: [("upgrade", "h2c"), ("A", "1"), ("Connection", "x"), ("CONNECTION", "y")],
            connection: .upgrade("websocket"),
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "upgrade: websocket", "A: 1",
                "Connection: Upgrade",
            ]),
        Case(
            testDescription: "a place for Connection is no reason to say anything",
            fields: [("Connection", "close"), ("Upgrade", "h2c"), ("A", "1")],
            expected: ["GET / HTTP/1.1", "Host: example.com:8080", "A: 1"]),
        Case(
            testDescription: "order and case of the caller's fields are kept",
            fields: [("x-B", "2"), ("X-a", "1"), ("x-b", "3"), ("USER-AGENT", "t"), ("Empty", "")],
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "x-B: 2", "X-a: 1", "x-b: 3",
                "USER-AGENT: t", "Empty: ",
            ]),
        Case(
            testDescription: "the caller's Host keeps its place and its text",
            fields: [("A", "1"), ("hOST", "other.example")],
            expected: ["GET / HTTP/1.1", "A: 1", "hOST: other.example"]),
        Case(
            testDescription: "a length comes last",
            method: .post, fields: [("A", "1")], framing: .length(1234),
            expected: [
                "POST / HTTP/1.1", "Host: example.com:8080", "A: 1", "Content-Length: 1234",
            ]),
        Case(
            testDescription: "the largest length",
            method: .put, framing: .length(.max),
            expected: [
                "PUT / HTTP/1.1", "Host: example.com:8080",
                "Content-Length: 18446744073709551615",
            ]),
        Case(
            testDescription: "a chunked body says so last",
            method: .post, framing: .chunked,
            expected: [
                "POST / HTTP/1.1", "Host: example.com:8080", "Transfer-Encoding: chunked",
            ]),
        Case(
            testDescription: "the caller's length keeps its place",
            method: .post, fields: [("content-LENGTH", "5"), ("A", "1")], framing: .length(5),
            expected: ["POST / HTTP/1.1", "Host: example.com:8080", "content-LENGTH: 5", "A: 1"]),
        Case(
            testDescription: "the caller's encoding keeps its place",
            method: .post, fields: [("transfer-encoding", "Chunked"), ("A", "1")],
            framing: .chunked,
            expected: [
                "POST / HTTP/1.1", "Host: example.com:8080", "transfer-encoding: Chunked", "A: 1",
            ]),
        Case(
            testDescription: "the caller's encoding is sent once",
            method: .post,
            fields: [
                ("Transfer-Encoding", "chunked"), ("A", "1"), ("TRANSFER-ENCODING", "chunked"),
            ],
            framing: .chunked,
            expected: [
                "POST / HTTP/1.1", "Host: example.com:8080", "Transfer-Encoding: chunked", "A: 1",
            ]),
        Case(
            testDescription: "a POST without body has a length of 0",
            method: .post,
            expected: ["POST / HTTP/1.1", "Host: example.com:8080", "Content-Length: 0"]),
        Case(
            testDescription: "a PUT without body has a length of 0",
            method: .put,
            expected: ["PUT / HTTP/1.1", "Host: example.com:8080", "Content-Length: 0"]),
        Case(
            testDescription: "a PATCH without body has a length of 0",
            method: .patch,
            expected: ["PATCH / HTTP/1.1", "Host: example.com:8080", "Content-Length: 0"]),
        Case(
            testDescription: "a DELETE without body has no length",
            method: .delete, expected: ["DELETE / HTTP/1.1", "Host: example.com:8080"]),
        Case(
            testDescription: "a DELETE may say 0 itself",
            method: .delete, fields: [("Content-Length", "0")],
            expected: ["DELETE / HTTP/1.1", "Host: example.com:8080", "Content-Length: 0"]),
        Case(
            testDescription: "fields for one hop go no further",
            fields: [
                ("Connection", "close, X-Secret , te"), ("Keep-Alive", "timeout=1"),
                ("Proxy-Connection", "keep-alive"), ("TE", "gzip"), ("Upgrade", "h2c"),
                ("Proxy-Authorization", "Basic c2VjcmV0"), ("Proxy-Authenticate", "x"),
                ("x-secret", "1"), ("A", "1"),
            ],
            expected: ["GET / HTTP/1.1", "Host: example.com:8080", "A: 1"]),
        Case(
            testDescription: "TE goes when it is exactly trailers",
            fields: [("te", "Trailers")],
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "te: Trailers", "Connection: TE",
            ]),
        Case(
            testDescription: "Connection names TE beside what else it says, in the caller's place",
            fields: [("connection", "TE"), ("TE", "trailers")], connection: .close,
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "connection: close, TE",
                "TE: trailers",
            ]),
        Case(
            testDescription: "several cookies are joined into the first field",
            fields: [("A", "1"), ("cookie", "a=1"), ("B", "2"), ("Cookie", ""), ("COOKIE", "b=2")],
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "A: 1", "cookie: a=1; b=2", "B: 2",
            ]),
        Case(
            testDescription: "an empty Cookie before another adds nothing to it",
            fields: [("Cookie", ""), ("A", "1"), ("cookie", "c=d")],
            expected: ["GET / HTTP/1.1", "Host: example.com:8080", "A: 1", "cookie: c=d"]),
        Case(
            testDescription: "empty Cookies alone are one",
            fields: [("Cookie", ""), ("A", "1"), ("cookie", "")],
            expected: ["GET / HTTP/1.1", "Host: example.com:8080", "Cookie: ", "A: 1"]),
        Case(
            testDescription: "Connection cannot hide Host or framing",
            method: .post,
            fields: [
                ("Connection", "host, content-length"), ("Host", "evil.example"),
                ("Content-Length", "99"),
            ],
            framing: .length(5),
            expected: ["POST / HTTP/1.1", "Host: example.com:8080", "Content-Length: 5"]),
        Case(
            testDescription: "close",
            connection: .close,
            expected: ["GET / HTTP/1.1", "Host: example.com:8080", "Connection: close"]),
        Case(
            testDescription: "upgrade",
            fields: [("Upgrade", "ignored")], connection: .upgrade("HTTP/2.0"),
            expected: [
                "GET / HTTP/1.1", "Host: example.com:8080", "Upgrade: HTTP/2.0",
                "Connection: Upgrade",
            ]),
        Case(
            testDescription: "the hop's own fields follow the caller's",
            path: "/a?b=%20c", fields: [("A", "1")], target: .absolute, framing: .length(1),
            additional: [.proxyAuthorization: "Basic eA=="],
            expected: [
                "GET http://example.com:8080/a?b=%20c HTTP/1.1", "Host: example.com:8080", "A: 1",
                "Proxy-Authorization: Basic eA==", "Content-Length: 1",
            ]),
        Case(
            testDescription: "percent-encoding and reserved characters pass through",
            path: "/%7e//../a%2Fb?q=%zz&x=[y]|'\"<>",
            expected: [
                "GET /%7e//../a%2Fb?q=%zz&x=[y]|'\"<> HTTP/1.1", "Host: example.com:8080",
            ]),
        Case(
            testDescription: "authority-form",
            method: .connect, path: nil, target: .authority,
            expected: ["CONNECT example.com:8080 HTTP/1.1", "Host: example.com:8080"]),
        Case(
            testDescription: "asterisk-form",
            method: .options, path: "*", target: .asterisk,
            expected: ["OPTIONS * HTTP/1.1", "Host: example.com:8080"]),
        Case(
            testDescription: "OPTIONS for a whole server through a proxy has no path",
            method: .options, path: "*", target: .absolute,
            expected: ["OPTIONS http://example.com:8080 HTTP/1.1", "Host: example.com:8080"]),
    ]

    @Test(arguments: cases)
    func aHeadGoesOutExactly(_ sample: Case) throws {
        var output = Array("before".utf8)
        try RequestEncoder.appendHead(
            of: request(sample.method, sample.path, sample.fields), target: sample.target,
            framing: sample.framing, connection: sample.connection, additional: sample.additional,
            to: &output)
        let expected = "before" + sample.expected.map { $0 + "\r\n" }.joined() + "\r\n"
        #expect(String(decoding: output, as: UTF8.self) == expected)
    }

    @Test func valuesThatAreNotUTF8GoOutAsTheyAre() throws {
        var request = request(.get, "/", [])
        request.headerFields.append(HTTPField(name: name("A"), value: [0xFF, 0x80]))
        var output: [UInt8] = []
        try RequestEncoder.appendHead(
            of: request, target: .origin, framing: .none, connection: .keepAlive, additional: [:],
            to: &output)
        let tail: [UInt8] = Array("A: ".utf8) + [0xFF, 0x80] + Array("\r\n\r\n".utf8)
        #expect(Array(output.suffix(tail.count)) == tail)
    }

    // MARK: Chunks

    @Test(arguments: [
        (1, "1"), (10, "a"), (16, "10"), (65_536, "10000"), (4_294_967_295, "ffffffff"),
    ])
    func aChunkBeginsWithItsSizeInHexadecimal(size: Int, digits: String) {
        var output: [UInt8] = []
        RequestEncoder.appendChunkHead(size: size, to: &output)
        RequestEncoder.appendChunkEnd(to: &output)
        #expect(String(decoding: output, as: UTF8.self) == digits + "\r\n\r\n")
    }

    @Test func theLastChunkCarriesTrailers() throws {
        var output: [UInt8] = []
        try RequestEncoder.appendLastChunk(trailers: [name("Digest"): "x"], to: &output)
        try RequestEncoder.appendLastChunk(trailers: [:], to: &output)
        #expect(String(decoding: output, as: UTF8.self) == "0\r\nDigest: x\r\n\r\n0\r\n\r\n")
    }

    @Test(arguments: ["Content-Length", "transfer-encoding", "Host", "Connection", "TE", "Upgrade"])
    func aFramingFieldIsRefusedAsATrailer(spelling: String) {
        var output: [UInt8] = []
        #expect(throws: InvalidRequest.self) {
            try RequestEncoder.appendLastChunk(trailers: [name(spelling): "1"], to: &output)
        }
        #expect(output.isEmpty)
    }
}

/// A request to `http://example.com:8080`.
func request(
    _ method: HTTPRequest.Method, _ path: String?, _ fields: [(String, String)]
) -> HTTPRequest {
    var request = HTTPRequest(
        method: method, scheme: "http", authority: "example.com:8080", path: path)
    for (spelling, value) in fields {
        request.headerFields.append(HTTPField(name: name(spelling), value: value))
    }
    return request
}

/// A field name, which in these tests is a token.
func name(_ spelling: String) -> HTTPField.Name {
    HTTPField.Name(known: spelling)
}
