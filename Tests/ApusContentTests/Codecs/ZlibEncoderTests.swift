import Apus
import ApusContent
import ApusZlib
import Testing

@Suite struct ZlibEncoderTests {
    /// What `deflate` means is a zlib stream (RFC 9110, section 8.4.1.2).
    @Test(arguments: [(ContentCoding.gzip, ZlibFormat.gzip), (.deflate, .zlib)])
    func theFormatIsThatOfTheCoding(coding: ContentCoding, format: ZlibFormat) throws {
        let packed = try ContentSamples.encoded(ContentSamples.words, coding)
        let step = try Inflater(format).inflate(packed)
        #expect(Bytes(step.output) == ContentSamples.words)
        #expect(step.next == .end)
    }
}
