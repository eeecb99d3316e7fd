import Apus
import ApusContent
import Testing

@Suite struct ZstdEncoderTests {
    /// The highest level needs no window that a decoder refuses.
    @Test func everyLevelIsDecoded() throws {
        let body = ContentSamples.noise(100_000)
        for level in [1, 3, 12, 19] {
            let packed = try ContentSamples.encoded(body, .zstd, level: level)
            #expect(ContentSamples.decode(packed, [.zstd]).output == body.array)
        }
    }

    /// A checksum follows the blocks: a changed byte of it is found.
    @Test func aFrameHasAChecksum() throws {
        var packed = try ContentSamples.encoded(ContentSamples.words, .zstd).array
        packed[packed.count - 2] ^= 0x80
        #expect(ContentSamples.decode(Bytes(packed), [.zstd]).error?.kind == .malformed)
    }
}
