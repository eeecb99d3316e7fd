import Apus
import ApusContent
import Testing

@Suite struct ContentDecoderTests {
    static let words = ContentSamples.words
    static let events = (0..<4).map { Bytes("data: event \($0)\n\n") }

    @Test("R23: each coding, cut at every offset", arguments: ContentCoding.available)
    func contentCutAtEveryOffsetIsTheSame(coding: ContentCoding) throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        for offset in 0...packed.count {
            let outcome = ContentSamples.decode(packed.cut(at: offset), [coding])
            #expect(outcome.output == Self.words.array)
            #expect(outcome.error == nil)
        }
    }

    @Test(arguments: ContentCoding.available)
    func contentByteByByteIsTheSame(coding: ContentCoding) throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        let outcome = ContentSamples.decode(packed.single, [coding])
        #expect(outcome.output == Self.words.array)
        #expect(outcome.error == nil)
    }

    /// At every offset before the end: what came before is delivered, then `truncated`.
    @Test("R23: truncated content fails after its good part", arguments: ContentCoding.available)
    func truncatedContentFails(coding: ContentCoding) throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        for offset in 1..<packed.count {
            let outcome = ContentSamples.decode(packed.prefix(offset), [coding])
            #expect(outcome.error?.kind == .truncated)
            #expect(outcome.output == Array(Self.words.array.prefix(outcome.output.count)))
        }
    }

    @Test(arguments: ContentCoding.available)
    func contentWithoutAByteIsComplete(coding: ContentCoding) {
        let outcome = ContentSamples.decode([], [coding, .gzip])
        #expect(outcome.error == nil)
        #expect(outcome.output.isEmpty)
    }

    /// Each event comes with the piece that completes it, also where that piece comes byte by byte.
    @Test("R23: an event that was flushed is not held back", arguments: ContentCoding.available)
    func aFlushedEventIsDeliveredAtOnce(coding: ContentCoding) throws {
        let pieces = try ContentSamples.events(Self.events, coding)
        for isCut in [false, true] {
            var decoder = try ContentDecoder([coding])
            for (event, piece) in zip(Self.events, pieces) {
                var output: [UInt8] = []
                for part in isCut ? piece.single : [piece] {
                    decoder.bytesReceived(part)
                    while let bytes = try decoder.nextOutput() { output += bytes.array }
                }
                #expect(output == event.array)
            }
            decoder.bytesReceived(pieces[Self.events.count])
            decoder.contentEnded()
            let end = try decoder.nextOutput()
            #expect(end == nil)
            let isComplete = decoder.isComplete
            #expect(isComplete)
        }
    }

    @Test("R23: bytes after the end are an error", arguments: ContentCoding.available)
    func bytesAfterTheEndAreAnError(coding: ContentCoding) throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        for garbage in ["x", "\0", "garbage and more of it"] {
            for pieces in [[packed + Bytes(garbage)], [packed, Bytes(garbage)]] {
                let outcome = ContentSamples.decode(pieces, [coding])
                #expect(outcome.error?.kind == .malformed)
                #expect(outcome.error?.message.contains("bytes follow") == true)
                #expect(outcome.output == Self.words.array)
            }
        }
    }

    /// A changed byte gives an error or other output, never a trap; cut in any way it gives the
    /// same.
    @Test(arguments: ContentCoding.available)
    func damageAnywhereIsFoundAlikeByAnyCut(coding: ContentCoding) throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        for index in 0..<packed.count {
            var bytes = packed.array
            bytes[index] ^= 0x41
            let whole = ContentSamples.decode(Bytes(bytes), [coding])
            let single = ContentSamples.decode(Bytes(bytes).single, [coding])
            #expect(whole.error?.kind == single.error?.kind)
            // The library of `br` gives up what it made of the input of one call.
            if coding != .brotli { #expect(whole.output == single.output) }
        }
    }

    /// A checksum is at the very end: everything before it is good.
    @Test(
        "R23: corrupt content fails after its good part",
        arguments: [ContentCoding.gzip, .deflate, .zstd])
    func corruptContentFailsAfterItsGoodPart(coding: ContentCoding) throws {
        let noise = ContentSamples.noise(300_000)
        var packed = try ContentSamples.encoded(noise, coding).array
        packed[packed.count - 1] ^= 1
        let outcome = ContentSamples.decode(Bytes(packed), [coding])
        #expect(outcome.error?.kind == .malformed)
        #expect(outcome.output == noise.array)
    }

    @Test("R23: stacked codings are decoded from the last to the first")
    func stackedCodingsAreDecoded() throws {
        let all: [ContentCoding] = [.brotli, .zstd, .deflate, .gzip]
        var packed = ContentSamples.brotliWords
        for coding in all.dropFirst() { packed = try ContentSamples.encoded(packed, coding) }
        for pieces in [[packed], packed.single] {
            let outcome = ContentSamples.decode(pieces, all)
            #expect(outcome.output == Self.words.array)
            #expect(outcome.error == nil)
        }
        // The inner content is truncated, the outer ones are whole.
        var short = ContentSamples.brotliWords.prefix(50)
        for coding in all.dropFirst() { short = try ContentSamples.encoded(short, coding) }
        let outcome = ContentSamples.decode(short, all)
        #expect(
            outcome.error
                == ContentError(
                    .truncated, coding: "br", message: "the content ends before its end"))
    }

    /// The bound, and one more.
    @Test func codingsBeyondTheirNumberAreRefused() throws {
        let codings = [ContentCoding](repeating: .gzip, count: 4)
        _ = try ContentDecoder(codings)
        #expect(ContentSamples.decode([], codings + [.gzip]).error?.kind == .tooLarge)
        #expect(
            ContentSamples.decode([], [.gzip], limits: .init(maxCodings: 0)).error?.kind
                == .tooLarge)
    }

    @Test func contentWithoutACodingIsUnchanged() throws {
        let outcome = ContentSamples.decode([Self.words, Bytes("end")], [])
        #expect(outcome.output == Self.words.array + Array("end".utf8))
    }

    /// The size at the bound is delivered; one byte more fails after the bytes that are allowed.
    @Test("R23: content beyond its size is too large", arguments: ContentCoding.available)
    func contentBeyondItsSizeIsTooLarge(coding: ContentCoding) throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        let count = UInt64(Self.words.count)
        let whole = ContentSamples.decode(packed, [coding], limits: .init(maxBytes: count))
        #expect(whole.error == nil)
        let less = ContentSamples.decode(packed, [coding], limits: .init(maxBytes: count - 1))
        #expect(less.error?.kind == .tooLarge)
        #expect(less.error?.message == "the content decodes to more than \(count - 1) bytes")
        #expect(less.output == Array(Self.words.array.dropLast()))
    }

    /// The ratio is that of all output to all input.
    @Test("R23: a bomb is stopped by its ratio", arguments: ContentCoding.available)
    func aBombIsStoppedByItsRatio(coding: ContentCoding) throws {
        let zeros = Bytes([UInt8](repeating: 0, count: 17 * 1024 * 1024))
        let packed =
            coding == .brotli
            ? ContentSamples.brotliZeros : try ContentSamples.encoded(zeros, coding)
        var total = 0
        #expect(throws: ContentError.self) {
            var decoder = try ContentDecoder([coding])
            decoder.bytesReceived(packed)
            while let output = try decoder.nextOutput() {
                #expect(output.count <= ContentDecoder.maxPiece)
                total += output.count
            }
        }
        #expect(total == 16 * 1024 * 1024)
        var free = try ContentDecoder([coding], limits: .init(maxRatio: .max))
        free.bytesReceived(packed)
        total = 0
        while let output = try free.nextOutput() { total += output.count }
        #expect(total == zeros.count)
    }

    /// A bomb inside of another coding: the limits apply to what each coding yields.
    @Test func aBombWithinAnotherIsStopped() throws {
        let zeros = Bytes([UInt8](repeating: 0, count: 40 * 1024 * 1024))
        let inner = try ContentSamples.encoded(zeros, .gzip)
        let outer = try ContentSamples.encoded(inner, .gzip)
        #expect(outer.count < 1000)
        let outcome = ContentSamples.decode(outer, [.gzip, .gzip])
        #expect(outcome.error?.kind == .tooLarge)
        #expect(outcome.output.count == 16 * 1024 * 1024)
    }

    @Test func anErrorIsThrownAgain() throws {
        var decoder = try ContentDecoder([.gzip])
        decoder.bytesReceived(Bytes("no gzip at all"))
        for _ in 0..<3 {
            #expect(
                throws: ContentError(
                    .malformed, coding: "gzip", message: "incorrect header check")
            ) { _ = try decoder.nextOutput() }
        }
        let isComplete = decoder.isComplete
        #expect(!isComplete)
    }

    /// Input that comes early waits, in order; input after the end is none.
    @Test func inputThatComesEarlyWaits() throws {
        let packed = try ContentSamples.encoded(Self.words, .zstd)
        var decoder = try ContentDecoder([.zstd])
        for piece in packed.single { decoder.bytesReceived(piece) }
        decoder.contentEnded()
        decoder.bytesReceived(Bytes("late"))
        var output: [UInt8] = []
        while let bytes = try decoder.nextOutput() { output += bytes.array }
        #expect(output == Self.words.array)
        let counts = (decoder.encodedBytes, decoder.decodedBytes)
        #expect(counts == (UInt64(packed.count), UInt64(Self.words.count)))
        let isComplete = decoder.isComplete
        #expect(isComplete)
    }
}
