import ApusCore
import HTTPTypes
import Testing

/// Fields of untrusted text are refused, where `HTTPField` would repair them.
@Suite struct HTTPFieldCheckedTests {
    /// This is why the checked way exists: no later check could see what was there.
    @Test func theUncheckedWayPutsBlanksInTheirPlace() {
        let field = HTTPField(name: .userAgent, value: "a\r\nX-Evil: b")
        #expect(field.value == "a  X-Evil: b")
    }

    @Test(arguments: 0...0xFF as ClosedRange<UInt8>)
    func noControlByteButATabIsLetThrough(byte: UInt8) {
        let text = "a" + String(UnicodeScalar(byte)) + "b"
        // Beyond ASCII a scalar is two bytes of UTF-8, neither of them a control.
        let isControl = (byte < 0x20 && byte != 0x09) || byte == 0x7F
        let field = try? HTTPField(name: .userAgent, checking: text)
        #expect(field?.value == (isControl ? nil : text))
    }

    @Test(arguments: ["a\r\nX: b", "a\nX: b", "a\r", "\n", "a\0", "\r\n\r\nGET / HTTP/1.1"])
    func whatWouldEndTheFieldIsRefused(text: String) {
        let error = #expect(throws: TransportError.self) {
            try HTTPField(name: .userAgent, checking: text)
        }
        #expect(error?.invalidRequest?.field == "user-agent")
        #expect(error?.description.contains("GET") == false)
    }

    @Test(arguments: [
        ("", ""), (" ", ""), ("\t \t", ""), (" a b ", "a b"), ("a\t", "a"),
        ("caf\u{e9}", "caf\u{e9}"),
    ])
    func blanksAtTheEndsAreLeftOut(text: String, value: String) throws {
        #expect(try HTTPField(name: .userAgent, checking: text).value == value)
        #expect(try HTTPField(checkingName: "x-Any", value: text).value == value)
    }

    @Test(arguments: ["", " ", "a b", "a:", "a\r\nb", "\u{e9}", "a\0"])
    func aNameThatIsNotATokenIsRefused(name: String) throws {
        let error = #expect(throws: TransportError.self) {
            try HTTPField(checkingName: name, value: "v")
        }
        #expect(error?.invalidRequest?.reason == "is not a field name")
        #expect(try HTTPField(checkingName: "X-Any", value: "v").name.rawName == "X-Any")
    }
}
