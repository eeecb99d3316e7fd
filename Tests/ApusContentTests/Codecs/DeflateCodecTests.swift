import Apus
import ApusContent
import ApusZlib
import Testing

@Suite struct DeflateCodecTests {
    static let words = ContentSamples.words

    static func raw(level: Int) throws -> Bytes {
        let deflater = try Deflater(.raw, level: level)
        return Bytes(try deflater.deflate(words, flush: .finish).output)
    }

    /// Some servers send it under this name (RFC 9110, section 8.4.1.2).
    @Test("R23: raw deflate is read as deflate", arguments: [0, 1, 6, 9])
    func aRawStreamIsRead(level: Int) throws {
        let packed = try Self.raw(level: level)
        for offset in 0...packed.count {
            let outcome = ContentSamples.decode(packed.cut(at: offset), [.deflate])
            #expect(outcome.output == Self.words.array)
            #expect(outcome.error == nil)
        }
        #expect(ContentSamples.decode(packed.single, [.deflate]).output == Self.words.array)
        for count in 1..<packed.count {
            let outcome = ContentSamples.decode(packed.prefix(count), [.deflate])
            #expect(outcome.error?.kind == .truncated)
        }
    }

    /// A header with its check right is a zlib stream; what follows is then judged as one.
    @Test(
        arguments: [
            ([0x78, 0x9C, 0xFF], "invalid block type"), ([0x78, 0x9D, 0xFF, 0xFF], nil),
            ([0x88, 0x1C], nil), ([0x07], nil), ([0x07, 0x00], "invalid block type"),
            ([0x78, 0xBB, 0, 0, 0, 1, 0], "a preset dictionary is needed"),
        ] as [([UInt8], String?)])
    func whatIsNeitherIsAnError(bytes: [UInt8], message: String?) {
        for pieces in [[Bytes(bytes)], Bytes(bytes).single] {
            let outcome = ContentSamples.decode(pieces, [.deflate])
            #expect(outcome.error != nil)
            if let message { #expect(outcome.error?.message == message) }
        }
    }

    @Test func aByteAfterARawStreamIsAnError() throws {
        let outcome = ContentSamples.decode(try Self.raw(level: 6) + Bytes("x"), [.deflate])
        #expect(outcome.error?.message == "bytes follow the end of the stream")
    }
}
