import ApusCore
import Testing

/// Texts of equal bytes are equal, and no others.
@Suite struct ExactTextTests {
    @Test(arguments: [
        ("caf\u{E9}", "cafe\u{301}"), ("K", "\u{212A}"), ("\u{C5}", "\u{212B}"),
        ("a\u{323}\u{307}", "a\u{307}\u{323}"), ("`", "\u{1FEF}"), (";", "\u{37E}"),
    ])
    func whatUnicodeTakesForOneTextIsTwo(_ one: String, _ other: String) {
        #expect(one == other)
        #expect(ExactText(one) != ExactText(other))
        #expect(Set([ExactText(one), ExactText(other)]).count == 2)
        #expect(ExactText(one) != ExactText(lookingFor: other))
        #expect(ExactText(lookingFor: one) != ExactText(other))
        #expect(ExactText(lookingFor: one) == ExactText(one))
        #expect(!ExactText.areEqual(one, other))
    }

    /// Each length up to several words, changed at each place.
    @Test func aDifferenceIsSeenWhereverItIs() {
        for count in 0..<40 {
            let bytes = (0..<count).map { UInt8(97 + $0 % 26) }
            let text = String(decoding: bytes, as: UTF8.self)
            let same = ExactText(String(decoding: bytes, as: UTF8.self))
            #expect(ExactText(text) == same)
            #expect(ExactText.areEqual(text, same.text))
            #expect(ExactText.areEqual(text, text))
            #expect(ExactText(text).hashValue == same.hashValue)
            #expect(ExactText(text) != ExactText(text + "a"))
            for place in 0..<count {
                var changed = bytes
                changed[place] = 0x5F
                let other = String(decoding: changed, as: UTF8.self)
                #expect(!ExactText.areEqual(text, other))
                #expect(ExactText(text) != ExactText(String(decoding: changed, as: UTF8.self)))
            }
        }
    }

    @Test func equalTextsHaveEqualHashes() {
        #expect(ExactText("caf\u{E9}").hashValue == ExactText("caf\u{E9}").hashValue)
        #expect(Set([ExactText("a"), ExactText("a")]).count == 1)
        #expect("\(ExactText("a"))" == "a")
    }
}
