import Apus
import ApusContent
import Testing

@Suite struct GzipCodecTests {
    static let words = ContentSamples.words

    /// Empty members among them (RFC 1952, section 2.2).
    @Test("R23: several gzip members are one content")
    func severalMembersAreOneContent() throws {
        let member = try ContentSamples.encoded(Self.words, .gzip)
        let empty = try ContentSamples.encoded(.empty, .gzip)
        let packed = empty + member + empty + empty + member
        for pieces in [[packed], packed.single] {
            let outcome = ContentSamples.decode(pieces, [.gzip])
            #expect(outcome.output == Self.words.array + Self.words.array)
            #expect(outcome.error == nil)
        }
        for offset in 0...packed.count {
            let outcome = ContentSamples.decode(packed.cut(at: offset), [.gzip])
            #expect(outcome.output.count == 2 * Self.words.count)
        }
    }

    @Test func aSecondMemberThatIsTruncatedFails() throws {
        let member = try ContentSamples.encoded(Self.words, .gzip)
        for count in [1, 5, 12, member.count - 1] {
            let outcome = ContentSamples.decode(member + member.prefix(count), [.gzip])
            #expect(outcome.error?.kind == .truncated)
        }
    }

    @Test func aDamagedSecondMemberFailsAfterTheFirst() throws {
        let member = try ContentSamples.encoded(Self.words, .gzip)
        let outcome = ContentSamples.decode(member + Bytes([0x1F, 0x8B, 9, 0]), [.gzip])
        #expect(outcome.error?.message == "unknown compression method")
        #expect(outcome.output == Self.words.array)
    }
}
