import ApusCore
import ApusHTTP2
import Testing

/// What a peer sends after two GETs on streams 1 and 3, and what must come of it.
struct Scenario: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var fields = 256
    let bytes: [UInt8]
    /// The events, in order.
    let log: [String]
    /// The frames sent in answer.
    var sent: [String] = []
    /// The connection's end, when it must end.
    var error: HTTP2Error.Kind?

    init(
        _ name: String, _ parts: [[UInt8]], _ log: [String], sent: [String] = [],
        error: HTTP2Error.Kind? = nil
    ) {
        testDescription = name
        bytes = parts.flatMap { $0 }
        self.log = log
        self.sent = sent
        self.error = error
    }
}

private let bothLost = [
    "failed 1 connectionLost", "closed 1", "failed 3 connectionLost", "closed 3",
]

@Suite struct ScenarioTests {
    @Test(arguments: answers + streamEnds + draining + violations)
    func eachScenarioComesOutTheSameWholeAndByteByByte(_ scenario: Scenario) throws {
        for step in [Int.max, 1, 7] {
            let harness = try Harness()
            try harness.request()
            try harness.request()
            _ = harness.takeSent()
            harness.receive(scenario.bytes, step: step)
            #expect(harness.takeLog() == scenario.log, "step \(step)")
            #expect(harness.takeSent() == scenario.sent, "step \(step)")
            #expect(harness.error?.kind == scenario.error, "step \(step)")
        }
    }
}

private let answers = [
    Scenario(
        "a whole answer",
        [
            Wire.headers(1, [(":status", "200"), ("content-type", "a/b")]),
            Wire.data(1, "hello", end: true),
        ],
        ["head 1 200 content-type=a/b", "body 1 hello", "end 1", "closed 1"]),
    Scenario(
        "END_STREAM with HEADERS", [Wire.head(1, "204", end: true)],
        ["head 1 204 end", "end 1", "closed 1"]),
    Scenario(
        "an empty last DATA frame",
        [Wire.head(1), Wire.data(1, "x"), Wire.data(1, "", end: true)],
        ["head 1 200", "body 1 x", "end 1", "closed 1"]),
    Scenario(
        "trailers", [Wire.head(1), Wire.data(1, "x"), Wire.trailers(1, [("grpc-status", "0")])],
        ["head 1 200", "body 1 x", "end 1 grpc-status=0", "closed 1"]),
    Scenario(
        "informational answers",
        [Wire.head(1, "103"), Wire.head(1, "100"), Wire.head(1, end: true)],
        ["informational 1 103", "informational 1 100", "head 1 200 end", "end 1", "closed 1"]),
    Scenario(
        "two answers in turns",
        [
            Wire.head(3), Wire.head(1), Wire.data(3, "a"), Wire.data(1, "b", end: true),
            Wire.data(3, "c", end: true),
        ],
        [
            "head 3 200", "head 1 200", "body 3 a", "body 1 b", "end 1", "closed 1", "body 3 c",
            "end 3", "closed 3",
        ]),
    Scenario(
        "padding is not data", [Wire.head(1), Wire.padded(1, "abc", padding: 9, end: true)],
        ["head 1 200", "body 1 abc", "end 1", "closed 1"]),
    Scenario(
        "an unknown frame, PRIORITY and a PING in between",
        [
            Wire.head(1), Wire.frame(0xEE, stream: 5, [1, 2]),
            Wire.frame(2, stream: 1, [0, 0, 0, 0, 5]),
            Wire.ping(), Wire.data(1, "x", end: true),
        ],
        ["head 1 200", "body 1 x", "end 1", "closed 1"], sent: ["PING ack"]),
    Scenario(
        "a content-length that holds",
        [
            Wire.headers(1, [(":status", "200"), ("content-length", "2")]),
            Wire.data(1, "ab", end: true),
        ],
        ["head 1 200 content-length=2", "body 1 ab", "end 1", "closed 1"]),
    Scenario(
        "fields of one name keep their order",
        [
            Wire.headers(
                1, [(":status", "200"), ("set-cookie", "a=1"), ("x", "y"), ("set-cookie", "b=2")],
                end: true)
        ],
        ["head 1 200 set-cookie=a=1 x=y set-cookie=b=2 end", "end 1", "closed 1"]),
]

private func malformed(_ name: String, _ fields: [(String, String)]) -> Scenario {
    Scenario(
        "2.1 header rules: \(name)", [Wire.headers(1, fields)],
        ["failed 1 malformed(a field has a name or value that HTTP/2 forbids)", "closed 1"],
        sent: ["RST 1 1"])
}

private let streamEnds: [Scenario] =
    [
        malformed("an upper-case name", [(":status", "200"), ("X-Upper", "1")]),
        malformed("a name with a space", [(":status", "200"), ("a b", "1")]),
        malformed("a value with CR", [(":status", "200"), ("a", "b\rc")]),
        malformed("a value with LF", [(":status", "200"), ("a", "b\nc")]),
        malformed("a value with NUL", [(":status", "200"), ("a", "b\0c")]),
        malformed("a value that begins with a space", [(":status", "200"), ("a", " b")]),
        malformed("a value that ends with a tab", [(":status", "200"), ("a", "b\t")]),
        malformed("connection", [(":status", "200"), ("connection", "close")]),
        malformed("transfer-encoding", [(":status", "200"), ("transfer-encoding", "chunked")]),
        malformed("status 101", [(":status", "101")]),
        malformed("a status of two digits", [(":status", "20")]),
        malformed("a status of letters", [(":status", "2xx")]),
        malformed("two statuses", [(":status", "200"), (":status", "200")]),
        malformed("a late pseudo field", [("a", "b"), (":status", "200")]),
        malformed("a request's pseudo field", [(":status", "200"), (":path", "/")]),
        malformed(
            "two lengths", [(":status", "200"), ("content-length", "1"), ("content-length", "2")]),
        malformed("a length with a sign", [(":status", "200"), ("content-length", "+1")]),
    ] + [
        Scenario(
            "no status", [Wire.headers(1, [("a", "b")])],
            ["failed 1 malformed(the fields do not form a response)", "closed 1"],
            sent: ["RST 1 1"]),
        Scenario(
            "a status below 100", [Wire.head(1, "099")],
            ["failed 1 malformed(the status code is 99)", "closed 1"], sent: ["RST 1 1"]),
        Scenario(
            "an informational answer that ends the stream", [Wire.head(1, "103", end: true)],
            ["failed 1 malformed(the fields do not form a response)", "closed 1"],
            sent: ["RST 1 1"]),
        Scenario(
            "trailers without END_STREAM", [Wire.head(1), Wire.headers(1, [("a", "b")])],
            ["head 1 200", "failed 1 malformed(the fields do not form a response)", "closed 1"],
            sent: ["RST 1 1"]),
        Scenario(
            "pseudo fields in trailers", [Wire.head(1), Wire.trailers(1, [(":status", "200")])],
            [
                "head 1 200", "failed 1 malformed(a field has a name or value that HTTP/2 forbids)",
                "closed 1",
            ],
            sent: ["RST 1 1"]),
        Scenario(
            "more data than announced",
            [
                Wire.headers(1, [(":status", "200"), ("content-length", "0")]),
                Wire.data(1, "a", end: true),
            ],
            [
                "head 1 200 content-length=0",
                "failed 1 malformed(the body's length differs from Content-Length)", "closed 1",
            ], sent: ["RST 1 1"]),
        Scenario(
            "less data than announced",
            [
                Wire.headers(1, [(":status", "200"), ("content-length", "3")]),
                Wire.data(1, "ab", end: true),
            ],
            [
                "head 1 200 content-length=3", "body 1 ab",
                "failed 1 malformed(the body's length differs from Content-Length)", "closed 1",
            ], sent: ["RST 1 1"]),
        Scenario(
            "RST with each code before the head, the sibling going on",
            [Wire.reset(1, 8), Wire.head(3, end: true)],
            ["failed 1 reset(code: 8)", "closed 1", "head 3 200 end", "end 3", "closed 3"]),
        Scenario(
            "RST REFUSED_STREAM", [Wire.reset(1, 7)], ["failed 1 refused", "closed 1"]),
        Scenario(
            "RST NO_ERROR before END_STREAM", [Wire.head(1), Wire.data(1, "x"), Wire.reset(1, 0)],
            ["head 1 200", "body 1 x", "failed 1 reset(code: 0)", "closed 1"]),
        Scenario(
            "RST INTERNAL_ERROR amid the body",
            [Wire.head(1), Wire.data(1, "x"), Wire.reset(1, 2)],
            ["head 1 200", "body 1 x", "failed 1 reset(code: 2)", "closed 1"]),
        Scenario(
            "RST HTTP_1_1_REQUIRED", [Wire.reset(3, 13)], ["failed 3 reset(code: 13)", "closed 3"]),
        Scenario(
            "RST with an unknown code", [Wire.reset(3, 0xFFFF_FFFF)],
            ["failed 3 reset(code: 4294967295)", "closed 3"]),
        Scenario(
            "2.1 window overflow: on a stream", [Wire.windowUpdate(1, 0x7FFF_FFFF)],
            ["failed 1 malformed(a frame breaks flow control)", "closed 1"], sent: ["RST 1 3"]),
    ]

private let draining = [
    Scenario(
        "GOAWAY above both", [Wire.goAway(3), Wire.head(1, end: true), Wire.head(3, end: true)],
        [
            "goaway 3 0 ", "head 1 200 end", "end 1", "closed 1", "head 3 200 end", "end 3",
            "closed 3",
        ]),
    Scenario(
        "GOAWAY between them", [Wire.goAway(1, 0, "bye"), Wire.head(1, end: true)],
        [
            "goaway 1 0 bye", "failed 3 aboveLastStreamID(goAwayCode: 0)", "closed 3",
            "head 1 200 end", "end 1", "closed 1",
        ]),
    Scenario(
        "GOAWAY in two steps", [Wire.goAway(0x7FFF_FFFF), Wire.goAway(1), Wire.head(1, end: true)],
        [
            "goaway 2147483647 0 ", "goaway 1 0 ", "failed 3 aboveLastStreamID(goAwayCode: 0)",
            "closed 3", "head 1 200 end", "end 1", "closed 1",
        ]),
    Scenario(
        "GOAWAY ENHANCE_YOUR_CALM below both", [Wire.goAway(0, 11, "calm")],
        [
            "goaway 0 11 calm", "failed 1 aboveLastStreamID(goAwayCode: 11)", "closed 1",
            "failed 3 aboveLastStreamID(goAwayCode: 11)", "closed 3",
        ]),
]

private func violation(_ name: String, _ parts: [[UInt8]], _ code: UInt32) -> Scenario {
    Scenario(
        name, parts, bothLost, sent: ["GOAWAY \(code)"], error: .protocolViolation(code: code))
}

private let violations = [
    violation("DATA on stream 0", [Wire.data(0, "x")], 1),
    violation("DATA on an idle stream", [Wire.data(5, "x")], 1),
    violation("DATA on an even stream", [Wire.data(2, "x")], 1),
    violation("DATA before the head", [Wire.data(1, "x")], 1),
    violation("HEADERS on stream 0", [Wire.head(0)], 1),
    violation("HEADERS on an idle stream", [Wire.head(5)], 1),
    violation("HEADERS on an even stream", [Wire.head(2)], 1),
    violation("RST on stream 0", [Wire.reset(0, 8)], 1),
    violation("RST on an idle stream", [Wire.reset(5, 8)], 1),
    violation("RST of three bytes", [Wire.frame(3, stream: 1, [0, 0, 0])], 6),
    violation("SETTINGS of five bytes", [Wire.frame(4, [0, 0, 0, 0, 0])], 6),
    violation("SETTINGS on a stream", [Wire.frame(4, stream: 1)], 1),
    violation("a SETTINGS ack with a payload", [Wire.frame(4, flags: 1, [0, 1, 0, 0, 0, 0])], 6),
    violation("a SETTINGS ack too many", [Wire.settingsAck], 1),
    violation("2.1 INITIAL_WINDOW_SIZE 2^31", [Wire.settings([(4, 0x8000_0000)])], 3),
    violation("2.1 MAX_FRAME_SIZE 0", [Wire.settings([(5, 0)])], 1),
    violation("ENABLE_PUSH 1 from a server", [Wire.settings([(2, 1)])], 1),
    violation("2.1 ENABLE_PUSH 2", [Wire.settings([(2, 2)])], 1),
    violation(
        "2.1 SETTINGS flood: 33 in one frame",
        [Wire.settings((0..<33).map { (UInt16(0x1000 + $0), 1) })], 11),
    violation("2.1 window update of 0 on the connection", [Wire.windowUpdate(0, 0)], 1),
    violation(
        "2.1 window overflow: on the connection", [Wire.windowUpdate(0, 0x7FFF_FFFF)], 3),
    violation("PING of seven bytes", [Wire.frame(6, [0, 0, 0, 0, 0, 0, 0])], 6),
    violation("PING on a stream", [Wire.frame(6, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0])], 1),
    violation("GOAWAY of four bytes", [Wire.frame(7, [0, 0, 0, 0])], 6),
    violation("GOAWAY on a stream", [Wire.frame(7, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0])], 1),
    violation("2.1 push promise", [Wire.frame(5, flags: 4, stream: 1, [0, 0, 0, 2])], 1),
    violation("CONTINUATION out of nowhere", [Wire.frame(9, flags: 4, stream: 1)], 1),
    violation(
        "HEADERS cut by DATA",
        [Wire.frame(1, stream: 1, Wire.block([(":status", "200")])), Wire.data(3, "")], 1),
    violation("a frame beyond MAX_FRAME_SIZE", [[0, 0x40, 1, 0, 0, 0, 0, 0, 1]], 6),
    violation(
        "a field block that is no HPACK",
        [Wire.frame(1, flags: 4, stream: 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])], 9),
    Scenario(
        "padding longer than the frame",
        [Wire.head(1), Wire.frame(0, flags: 8, stream: 1, [9, 0])],
        ["head 1 200"] + bothLost, sent: ["GOAWAY 1"], error: .protocolViolation(code: 1)),
    Scenario(
        "a GOAWAY that raises the last stream", [Wire.goAway(1), Wire.goAway(3)],
        [
            "goaway 1 0 ", "failed 3 aboveLastStreamID(goAwayCode: 0)", "closed 3",
            "failed 1 connectionLost", "closed 1",
        ], sent: ["GOAWAY 1"], error: .protocolViolation(code: 1)),
]
