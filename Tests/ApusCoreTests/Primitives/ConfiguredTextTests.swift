import ApusCore
import Testing

/// Texts that people configure: blanks, escapes and hexadecimal digits.
@Suite struct ConfiguredTextTests {
    @Test(arguments: [
        ("", ""), (" ", ""), (" a ", "a"), ("\t\r\na b\n", "a b"), ("a", "a"),
        ("\u{a0}a", "\u{a0}a"),
    ])
    func blanksAtTheEndsAreRemoved(text: String, trimmed: String) {
        #expect(text.trimmingBlanks() == trimmed)
    }

    @Test(arguments: [
        ("", ""), ("a%20b", "a b"), ("%41%4a%4A", "AJJ"), ("%e2%82%ac", "€"), ("%2525", "%25"),
        ("a+b", "a+b"), ("%", nil), ("%4", nil), ("%4g", nil), ("%g4", nil), ("%ff", nil),
        ("%e2%82", nil),
    ])
    func escapesAreDecoded(text: String, decoded: String?) {
        #expect(text.percentDecoded() == decoded)
    }

    @Test func onlyHexadecimalDigitsHaveAValue() {
        let digits = (0...255 as ClosedRange<UInt8>).filter { $0.hexDigitValue != nil }
        #expect(String(decoding: digits, as: UTF8.self) == "0123456789ABCDEFabcdef")
        let values = digits.compactMap(\.hexDigitValue)
        #expect(values == Array(0...9) + Array(10...15) + Array(10...15))
    }
}
