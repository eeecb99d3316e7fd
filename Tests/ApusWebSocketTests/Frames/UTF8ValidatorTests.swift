import ApusWebSocket
import Testing

/// Incremental validation against the standard library's.
@Suite struct UTF8ValidatorTests {
    private func isValid(_ pieces: [[UInt8]]) -> Bool {
        var validator = UTF8Validator()
        for piece in pieces where !validator.takes(piece) { return false }
        return validator.isComplete
    }

    @Test func everyTextOfUpToTwoBytesIsJudgedAsByTheStandardLibrary() {
        var others: [[UInt8]] = []
        for first in UInt8.min ... .max {
            for second in UInt8.min ... .max {
                let bytes = [first, second]
                let expected = String(validating: bytes, as: UTF8.self) != nil
                if isValid([bytes]) != expected || isValid([[first], [second]]) != expected {
                    others.append(bytes)
                }
            }
        }
        #expect(others.isEmpty)
    }

    @Test(arguments: [0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5] as [UInt8])
    func longerCharactersToo(first: UInt8) {
        let edges: [UInt8] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
        for second in edges {
            for third in edges {
                for tail in [[], [0x41], [0x80], [0xBF, 0x41], [0xC0]] as [[UInt8]] {
                    let bytes = [first, second, third] + tail
                    let expected = String(validating: bytes, as: UTF8.self) != nil
                    #expect(isValid([bytes]) == expected, "\(bytes)")
                    #expect(isValid(bytes.map { [$0] }) == expected)
                }
            }
        }
    }

    @Test func aLongTextIsValidAtEverySplit() {
        let text = Array("abcdefghijklmnop κόσμε 日本語 😀 abcdefghijklmnopq".utf8)
        for way in everySplit(text) { #expect(isValid(way)) }
        #expect(!isValid([Array(text.dropLast(17).dropLast(3))]))
    }

    @Test func theFirstWrongByteIsRefusedAtOnce() {
        var validator = UTF8Validator()
        let good = Array("κόσμε".utf8)
        #expect(validator.takes(good) == true)
        // A surrogate: its second byte proves it.
        #expect(validator.takes([0xED]) == true)
        #expect(validator.takes([0xA0]) == false)
    }
}
