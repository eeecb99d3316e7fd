import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Faults that a switch of `EngineTuning.Lenience` accepts, and the same without it.
@Suite struct LenientLineTests {
    @Test(arguments: [
        ("X: a\r\n b\r\n", true, false, "a b"), ("X: a\r\n\t b \r\n", true, false, "a b"),
        ("X:\r\n b\r\n", true, false, "b"), ("X: a\u{1}b\r\n", false, true, "a b"),
        ("X: a\u{7f}\r\n", false, true, "a"),
    ])
    func aSwitchAcceptsItsFault(
        line: String, folds: Bool, controls: Bool, value: String
    ) throws {
        var lenience = EngineTuning.Lenience()
        lenience.foldedFields = folds
        lenience.controlsInValues = controls
        var machine = HTTP1Session(limits: .init(), lenience: lenience)
        machine.startGet()
        let bytes = Array("HTTP/1.1 204 No\r\n\(line)\r\n".utf8)
        var offset = 0
        guard
            case .head(let head, _)? = try machine.nextEvent(in: bytes.span.bytes, offset: &offset)
        else {
            Issue.record("no head")
            return
        }
        #expect(head.headerFields.map(\.value) == [value])
        var strict = HTTP1Session(limits: .init())
        strict.startGet()
        #expect(throws: HTTP1Error.self) {
            try strict.feed("HTTP/1.1 204 No\r\n\(line)\r\n")
        }
    }

    @Test(arguments: [
        "X: a\0b\r\n", "X: a\rb\r\n", "X: a\nY: b\r\n", "Content-Length: 0\r\n 1\r\n",
        "X : a\r\n", " X: a\r\n",
    ])
    func noSwitchAcceptsWhatEndsALineOrFramesAMessage(line: String) throws {
        var lenience = EngineTuning.Lenience()
        lenience.foldedFields = true
        lenience.controlsInValues = true
        var machine = HTTP1Session(limits: .init(), lenience: lenience)
        machine.startGet()
        #expect(throws: HTTP1Error.self) {
            try machine.feed("HTTP/1.1 204 No\r\n\(line)\r\n")
        }
    }
}
