import Apus
import Loopback
import Testing

/// One row of the fault matrix: what the peer does after the request, and the expected result.
struct HTTP1Fault: Sendable, CustomTestStringConvertible {
    let row: Int
    let name: String
    let steps: [ScriptedPeer.Step]
    let kind: TransportError.Kind
    let phase: TransportError.Phase
    var replay = TransportError.Replay.responseStarted
    /// How much of the body the consumer has before the error; `nil` when that varies.
    var received: Int? = 0
    /// What the message says to people.
    var hint = ""

    var testDescription: String { "row \(row): \(name)" }

    init(
        _ row: Int, _ name: String, _ steps: [ScriptedPeer.Step], _ kind: TransportError.Kind,
        in phase: TransportError.Phase, replay: TransportError.Replay = .responseStarted,
        received: Int? = 0, hint: String = ""
    ) {
        (self.row, self.name, self.steps) = (row, name, steps)
        (self.kind, self.phase, self.replay) = (kind, phase, replay)
        (self.received, self.hint) = (received, hint)
    }

    /// A fault in text, after which the connection stays open.
    init(
        _ row: Int, _ name: String, text: String, _ kind: TransportError.Kind,
        in phase: TransportError.Phase, received: Int? = 0, hint: String = ""
    ) {
        self.init(
            row, name, [.sendText(text), .readUntilEnd], kind, in: phase, received: received,
            hint: hint)
    }
}

private let ok = "HTTP/1.1 200 OK\r\n"
private let tenBytes = ok + "Content-Length: 10\r\n\r\n"
private let chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
private let mebibyte = String(repeating: "a", count: 1 << 20)

extension HTTP1Fault {
    static let all = ends + bounds + ambiguities + protocols

    /// Ends in the wrong place.
    private static let ends: [HTTP1Fault] = [
        .init(9, "a reset before any byte", [.reset], .reset, in: .head, replay: .unknown),
        .init(
            10, "a reset within the head", [.sendText(ok + "Conte"), .reset], .reset, in: .head),
        .init(
            11, "a reset within the body", [.sendText(tenBytes + "hello"), .reset], .reset,
            in: .body, received: 5),
        .init(13, "an end before any byte", [.close], .truncated, in: .head, replay: .unknown),
        .init(
            13, "an end within the head", [.sendText(ok + "Conte"), .close], .truncated, in: .head),
        .init(
            13, "an end after a 103", [.sendText("HTTP/1.1 103 Hints\r\n\r\n"), .close],
            .truncated, in: .head),
        .init(
            35, "a body that is short", [.sendText(tenBytes + "hello"), .close], .truncated,
            in: .body, received: 5),
        .init(
            35, "a chunk that is short", [.sendText(chunked + "a\r\nhello"), .close], .truncated,
            in: .body, received: 5),
        .init(
            35, "no last chunk", [.sendText(chunked + "5\r\nhello\r\n"), .close], .truncated,
            in: .body, received: 5),
        .init(
            35, "no end of the trailers", [.sendText(chunked + "5\r\nhello\r\n0\r\n"), .close],
            .truncated, in: .body, received: 5),
    ]

    /// More than a bound allows.
    private static let bounds: [HTTP1Fault] = [
        .init(26, "a value of 1 MiB", text: ok + "X: " + mebibyte, .tooLarge, in: .head),
        .init(26, "a name of 1 MiB", text: ok + mebibyte, .tooLarge, in: .head),
        .init(26, "a reason of 1 MiB", text: "HTTP/1.1 200 " + mebibyte, .tooLarge, in: .head),
        .init(
            27, "10,000 fields", text: ok + String(repeating: "a: b\r\n", count: 10_000), .tooLarge,
            in: .head),
        .init(
            28, "1xx without end",
            text: String(repeating: "HTTP/1.1 103 Hints\r\n\r\n", count: 10_000), .tooLarge,
            in: .head),
        .init(
            33, "a body that is mostly extensions",
            text: chunked
                + String(
                    repeating: "1;" + String(repeating: "x", count: 1000) + "\r\na\r\n", count: 99),
            .tooLarge, in: .body, received: nil),
        .init(
            34, "trailers of 1 MiB", text: chunked + "5\r\nhello\r\n0\r\nX: " + mebibyte, .tooLarge,
            in: .body, received: 5),
    ]

    /// What two readers could take in two ways.
    private static let ambiguities: [HTTP1Fault] =
        [
            ("TE with CL", ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
            ("two lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
            ("a list of two lengths", ok + "Content-Length: 5, 6\r\n\r\n"),
            ("a signed length", ok + "Content-Length: +5\r\n\r\n"),
            ("a length beyond 63 bits", ok + "Content-Length: 9223372036854775808\r\n\r\n"),
            ("TE that ends in gzip", ok + "Transfer-Encoding: chunked, gzip\r\n\r\n"),
            ("TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("obs-fold", ok + "X: a\r\n b\r\n\r\n"),
            ("a blank before the colon", ok + "X : a\r\n\r\n"),
            ("a bare CR", ok + "X: a\rb\r\n\r\n"),
            ("a bare LF", ok + "X: a\nContent-Length: 0\r\n\r\n"),
            ("a NUL", ok + "X: a\0b\r\n\r\n"),
            ("a status line with two blanks", "HTTP/1.1  200 OK\r\n\r\n"),
        ].map { name, text in .init(32, name, text: text, .malformed, in: .head) }
        + [
            ("a chunk size with a sign", "+5\r\nhello\r\n"),
            ("0x before a size", "0x5\r\nhello\r\n"),
            ("a blank after a size", "5 \r\nhello\r\n"),
            ("a size beyond 63 bits", "8000000000000000"),
            ("a size line with a bare LF", "5\nhello\r\n"),
        ].map { name, text in .init(32, name, text: chunked + text, .malformed, in: .body) } + [
            .init(
                32, "no CR LF after chunk data", text: chunked + "5\r\nhelloX", .malformed,
                in: .body,
                received: 5),
            .init(
                34, "a trailer that frames",
                text: chunked + "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", .malformed,
                in: .body,
                received: 5),
            .init(
                34, "a malformed trailer", text: chunked + "5\r\nhello\r\n0\r\nBad Name: 1\r\n\r\n",
                .malformed, in: .body, received: 5),
        ]

    /// Other protocols, and switches to them that were not requested.
    private static let protocols: [HTTP1Fault] = [
        .init(
            30, "a 101 that was not requested",
            text: "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", .malformed, in: .head),
        .init(
            41, "HTTP/0.9", text: "<html>hello</html>", .malformed, in: .head, hint: "HTTP/0.9"),
        .init(
            41, "an HTTP/2 frame", [.send([0, 0, 0, 4, 0, 0, 0, 0, 0]), .readUntilEnd],
            .malformed, in: .head, hint: "HTTP/2 frame"),
        .init(
            41, "an HTTP/2 preface", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .malformed,
            in: .head, hint: "another protocol"),
        .init(
            41, "a TLS record", [.send([0x15, 3, 1, 0, 2, 2, 80]), .readUntilEnd], .malformed,
            in: .head, hint: "TLS record"),
    ]
}
