import Apus
import ApusContent
import Testing

@Suite struct ZstdCodecTests {
    static let words = ContentSamples.words
    static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    static func skippable(_ count: Int, kind: UInt8 = 0x50) -> Bytes {
        Bytes(
            [kind, 0x2A, 0x4D, 0x18, UInt8(count), 0, 0, 0] + [UInt8](repeating: 9, count: count))
    }

    /// A frame without its length, of blocks that repeat a byte; RFC 8878, section 3.1.1.
    static func frame(windowDescriptor: UInt8, runs: [Int]) -> Bytes {
        var bytes = magic + [0, windowDescriptor]
        for (index, run) in runs.enumerated() {
            let header = run << 3 | 1 << 1 | (index == runs.count - 1 ? 1 : 0)
            bytes += [UInt8(header & 0xFF), UInt8(header >> 8 & 0xFF), UInt8(header >> 16), 7]
        }
        return Bytes(bytes)
    }

    @Test("R23: several frames, and skippable ones, are one content")
    func severalFramesAreOneContent() throws {
        let frame = try ContentSamples.encoded(Self.words, .zstd)
        let packed = Self.skippable(0) + frame + Self.skippable(40, kind: 0x5F) + frame
        for pieces in [[packed], packed.single] {
            let outcome = ContentSamples.decode(pieces, [.zstd])
            #expect(outcome.output == Self.words.array + Self.words.array)
            #expect(outcome.error == nil)
        }
        for offset in 0...packed.count {
            let outcome = ContentSamples.decode(packed.cut(at: offset), [.zstd])
            #expect(outcome.output.count == 2 * Self.words.count)
        }
        #expect(ContentSamples.decode(Self.skippable(3), [.zstd]) == .init())
        #expect(
            ContentSamples.decode(Self.skippable(3).prefix(10), [.zstd]).error?.kind == .truncated)
    }

    /// 8 MiB is the bound of RFC 9659, section 3; whole in one piece or not.
    @Test func aWindowBeyondTheBoundIsTooLarge() {
        let runs = [Int](repeating: 100_000, count: 3)
        let allowed = Self.frame(windowDescriptor: 13 << 3, runs: runs)
        let outcome = ContentSamples.decode(allowed, [.zstd])
        #expect(outcome.output.count == 300_000)
        #expect(outcome.error == nil)
        let large = Self.frame(windowDescriptor: 13 << 3 | 1, runs: runs)
        for pieces in [[large], large.single, large.cut(at: 6)] {
            let outcome = ContentSamples.decode(pieces, [.zstd])
            #expect(outcome.error?.kind == .tooLarge)
            #expect(outcome.output.isEmpty)
        }
    }

    /// The window of a frame of a single segment is its length.
    @Test func aSingleSegmentBeyondTheBoundIsTooLarge() {
        let count: UInt32 = 8 * 1024 * 1024 + 1
        let length = (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
        let header = Bytes(Self.magic + [0b1010_0000] + length)
        #expect(ContentSamples.decode(header + Bytes([1, 0, 0]), [.zstd]).error?.kind == .tooLarge)
    }

    /// Also where the last block is empty, for which the library does not compare it.
    @Test(arguments: ["28b52ffd2020010000", "28b52ffd20031000006161010000"])
    func aFrameOfAnotherLengthThanItSaysIsMalformed(hex: String) {
        for pieces in [[Bytes(hex: hex)], Bytes(hex: hex).single] {
            let outcome = ContentSamples.decode(pieces, [.zstd])
            #expect(outcome.error?.kind == .malformed)
        }
        let right = ContentSamples.decode(Bytes(hex: "28b52ffd2000010000"), [.zstd])
        #expect(right == ContentSamples.Outcome())
    }

    /// Each block before the fault is delivered, however the content is cut, and also where the
    /// last good output comes in several pieces.
    @Test(arguments: [2000, 10_000, 24_576, 70_000, 131_072])
    func everyBlockBeforeAFaultIsDelivered(run: Int) {
        let good = Self.frame(windowDescriptor: 0x50, runs: [1000, run, 3000])
        // The last block becomes one of the reserved kind.
        var bytes = good.array
        bytes[bytes.count - 4] |= 0b110
        for pieces in [[Bytes(bytes)], Bytes(bytes).single] {
            let outcome = ContentSamples.decode(pieces, [.zstd])
            #expect(outcome.error?.kind == .malformed)
            #expect(outcome.output.count == 1000 + run)
        }
    }

    /// Bytes that are not compressed are output one by one; the last one completes the block that
    /// is shorter than its frame.
    @Test(arguments: 1...8) func anUncompressedBlockThatIsTooShortLosesItsLastByte(count: Int) {
        let first = [UInt8](repeating: 0x61, count: 12)
        let last = [UInt8](repeating: 0x62, count: count)
        let packed = Bytes(
            Self.magic + [0x20, 64] + [12 << 3, 0, 0] + first + [UInt8(count << 3 | 1), 0, 0] + last
        )
        let cuts = (0...packed.count).map { packed.cut(at: $0) }
        for pieces in [packed.single] + cuts {
            let outcome = ContentSamples.decode(pieces, [.zstd])
            #expect(outcome.error?.kind == .malformed)
            #expect(outcome.output == first + last.dropLast())
        }
    }

    /// Frames of other versions among them, which the library may know.
    @Test(arguments: [
        [0x27, 0xB5, 0x2F, 0xFD], [0x1E, 0xB5, 0x2F, 0xFD], [0x28, 0xB5, 0x2F, 0xFE],
    ])
    func anotherMagicNumberIsNoFrame(bytes: [UInt8]) {
        let outcome = ContentSamples.decode(Bytes(bytes + [0, 0, 0, 0, 0]), [.zstd])
        #expect(outcome.error?.message == "the content does not begin with a frame")
    }

    @Test func aFrameWithADictionaryIsAnError() {
        let bytes = Bytes(Self.magic + [0x01, 0x50, 0x07, 0x01, 0, 0])
        #expect(ContentSamples.decode(bytes, [.zstd]).error?.kind == .malformed)
    }
}
