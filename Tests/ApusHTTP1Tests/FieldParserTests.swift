import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Field lines that transcripts do not show: a head costs time in proportion to its bytes.
///
/// The time limit only ends a test that hangs.
@Suite(.timeLimit(.minutes(1))) struct FieldParserTests {
    @Test func aValueFoldedOverVeryManyLinesIsReadInOnePass() throws {
        var limits = EngineTuning.Limits()
        limits.headBytes = 16 * 1024 * 1024
        var lenience = EngineTuning.Lenience()
        lenience.foldedFields = true
        let folds = 250_000
        var head = Array("HTTP/1.1 200 OK\r\nX: a\r\n".utf8)
        for _ in 0..<folds { head += Array(" 0123456789abcdef\r\n".utf8) }
        head += Array("Y: b\r\n c\r\nContent-Length: 0\r\n\r\n".utf8)
        var machine = HTTP1Session(limits: limits, lenience: lenience)
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
        #expect(response.headerFields[.init(known: "Y")] == "b c")
    }
}
