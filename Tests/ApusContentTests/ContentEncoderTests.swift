import Apus
import ApusContent
import Testing

@Suite struct ContentEncoderTests {
    static let codings = [ContentCoding.gzip, .deflate, .zstd]

    @Test(arguments: codings)
    func contentReadsBack(coding: ContentCoding) throws {
        for body in [Bytes.empty, Bytes("a"), ContentSamples.words, ContentSamples.noise(200_000)] {
            let packed = try ContentSamples.encoded(body, coding)
            #expect(!packed.isEmpty)
            let outcome = ContentSamples.decode(packed, [coding])
            #expect(outcome.error == nil)
            #expect(outcome.output == body.array)
        }
    }

    @Test(arguments: codings)
    func aLevelOutOfRangeIsClamped(coding: ContentCoding) throws {
        for level in [-1, 0, 1, 9, 100] {
            let packed = try ContentSamples.encoded(ContentSamples.words, coding, level: level)
            let outcome = ContentSamples.decode(packed, [coding])
            #expect(outcome.output == ContentSamples.words.array)
        }
    }

    /// What was received before a flush can be decoded, and a flush without input adds little.
    @Test(arguments: codings)
    func aFlushDeliversWhatWasReceived(coding: ContentCoding) throws {
        var encoder = try ContentEncoder(coding)
        var decoder = try ContentDecoder([coding])
        for number in 0..<20 {
            let event = Bytes("event \(number)")
            encoder.bytesReceived(event)
            if number % 3 == 0 { encoder.bytesReceived(.empty) }
            encoder.flushRequested()
            var output: [UInt8] = []
            while let piece = try encoder.nextOutput() {
                decoder.bytesReceived(piece)
                while let bytes = try decoder.nextOutput() { output += bytes.array }
            }
            #expect(output == event.array)
        }
    }

    @Test(arguments: codings)
    func everyPieceIsBounded(coding: ContentCoding) throws {
        var encoder = try ContentEncoder(coding)
        encoder.bytesReceived(ContentSamples.noise(1_000_000))
        encoder.contentEnded()
        var total = 0
        while let piece = try encoder.nextOutput() {
            #expect(piece.count <= ContentEncoder.maxPiece)
            total += piece.count
        }
        #expect(total > 999_000)
        let end = try encoder.nextOutput()
        #expect(end == nil)
    }

    @Test func brotliHasNoEncoder() {
        #expect(
            throws: ContentError(
                .unavailable, coding: "br", message: "has no codec in this build")
        ) { _ = try ContentSamples.encodedByEncoder(.brotli) }
    }
}

extension ContentSamples {
    fileprivate static func encodedByEncoder(_ coding: ContentCoding) throws -> Bytes? {
        var encoder = try ContentEncoder(coding)
        encoder.contentEnded()
        return try encoder.nextOutput()
    }
}
