import Apus
import Loopback

// Answers, sound and malformed; the malformed ones cost their stream alone (RFC 9113, 8.1.1).

/// The frames that the rows are made of.
private typealias Frames = HTTP2Frames

private func ok(_ fields: [(String, String)] = []) -> [UInt8] { Frames.head(1, 200, fields) }
private func data(_ text: String, end: Bool = false) -> [UInt8] {
    Frames.data(1, Array(text.utf8), end: end)
}

extension HTTP2Case {
    static let answers: [HTTP2Case] = [
        .stream("a whole answer", ok() + data("hello", end: true), "200 hello"),
        .stream("END_STREAM with HEADERS", Frames.head(1, 204, end: true), "204 "),
        .stream(
            "304 with a length", Frames.head(1, 304, [("content-length", "5")], end: true),
            "304 "),
        .stream(
            "HEAD with a length", Frames.head(1, 200, [("content-length", "5")], end: true), "200 ",
            method: .head),
        .stream(
            "an empty last DATA frame", ok() + data("x") + data("", end: true), "200 x"),
        .stream(
            "a few empty DATA frames", ok() + data("") + data("x") + data("") + data("", end: true),
            "200 x"),
        .stream(
            "trailers", ok() + data("x") + Frames.trailers(1, [("grpc-status", "0")]),
            "200 x grpc-status: 0"),
        .stream(
            "trailers without a body", ok() + Frames.trailers(1, [("a", "b")]), "200  a: b"),
        .stream(
            "informational answers",
            Frames.head(1, 103) + Frames.head(1, 100) + Frames.answer(1), "103 100 200 ok"),
        .stream(
            "padding is not data",
            ok() + Frames.frame(0, flags: 8 | 1, stream: 1, [3] + Array("abc".utf8) + [0, 0, 0]),
            "200 abc"),
        .stream(
            "a padded head with a priority",
            Frames.frame(
                1, flags: 0x8 | 0x20 | 0x4 | 0x1, stream: 1, [1, 0, 0, 0, 0, 9, 0x88, 0]),
            "200 "),
        .stream(
            "a head in three pieces",
            Frames.frame(1, flags: 1, stream: 1, [0x88, 0, 1]) + Frames.frame(9, stream: 1, [0x61])
                + Frames.frame(9, flags: 4, stream: 1, [1, 0x62]), "200 "),
        .stream(
            "a content-length that holds", ok([("content-length", "2")]) + data("ab", end: true),
            "200 ab"),
        .stream("an unknown status", Frames.head(1, 799, end: true), "799 "),
        HTTP2Case(
            testDescription: "two answers in turns",
            bytes: Frames.head(3) + ok() + Frames.data(3, [0x61]) + data("b", end: true)
                + Frames.data(3, [0x63], end: true), first: "200 b", second: "200 ac"),
        HTTP2Case(
            testDescription: "SETTINGS after the requests", settings: nil,
            bytes: Frames.settings() + Frames.answer(1) + Frames.answer(3), first: "200 ok",
            second: "200 ok"),
    ]

    private static func malformed(_ name: String, _ fields: [(String, String)]) -> HTTP2Case {
        .stream(name, Frames.fields(1, fields), "malformed unknown", reset: 1)
    }

    static let malformedAnswers: [HTTP2Case] = [
        malformed("an upper-case name", [(":status", "200"), ("X-Upper", "1")]),
        malformed("a name with a space", [(":status", "200"), ("a b", "1")]),
        malformed("a value with CR", [(":status", "200"), ("a", "b\rc")]),
        malformed("a value with LF", [(":status", "200"), ("a", "b\nc")]),
        malformed("a value with NUL", [(":status", "200"), ("a", "b\0c")]),
        malformed("a value that begins with a space", [(":status", "200"), ("a", " b")]),
        malformed("a value that ends with a tab", [(":status", "200"), ("a", "b\t")]),
        malformed("connection", [(":status", "200"), ("connection", "close")]),
        malformed("keep-alive", [(":status", "200"), ("keep-alive", "timeout=5")]),
        malformed("transfer-encoding", [(":status", "200"), ("transfer-encoding", "chunked")]),
        malformed("status 101", [(":status", "101")]),
        malformed("a status of two digits", [(":status", "20")]),
        malformed("a status of letters", [(":status", "2xx")]),
        malformed("two statuses", [(":status", "200"), (":status", "200")]),
        malformed("a late pseudo field", [("a", "b"), (":status", "200")]),
        malformed("a request's pseudo field", [(":status", "200"), (":path", "/")]),
        malformed("no status", [("a", "b")]),
        malformed("a status below 100", [(":status", "099")]),
        malformed(
            "two lengths", [(":status", "200"), ("content-length", "1"), ("content-length", "2")]),
        malformed("a length with a sign", [(":status", "200"), ("content-length", "+1")]),
        .stream(
            "an informational answer that ends the stream", Frames.head(1, 103, end: true),
            "malformed unknown", reset: 1),
        .stream(
            "a flood of informational answers",
            (0..<17).flatMap { _ in Frames.head(1, 103) }, "tooLarge responseStarted", reset: 11),
        .stream(
            "trailers without END_STREAM", ok() + Frames.fields(1, [("a", "b")]),
            "200 , then malformed responseStarted", reset: 1),
        .stream(
            "pseudo fields in trailers", ok() + Frames.trailers(1, [(":status", "200")]),
            "200 , then malformed responseStarted", reset: 1),
        .stream(
            "more data than announced", ok([("content-length", "0")]) + data("a", end: true),
            "200 , then malformed responseStarted", reset: 1),
        .stream(
            "less data than announced", ok([("content-length", "3")]) + data("ab", end: true),
            "200 ab, then malformed responseStarted", reset: 1),
        .stream(
            "no data where some was announced",
            Frames.head(1, 200, [("content-length", "3")], end: true),
            "malformed unknown", reset: 1),
    ]
}
