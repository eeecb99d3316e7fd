import Apus
import ApusEvents
import Testing

/// The positions of CR and LF, compared with a plain search.
@Suite struct LineEndSearchTests {
    /// A byte that ends a line, or a control byte near it, at each position around a block's edges.
    @Test(arguments: [0x0A, 0x0D, 0x0B, 0x0E, 0x09, 0x00, 0x8A, 0x8D, 0xFF] as [UInt8])
    func aByteIsFoundAtEveryPositionOrIsNoEnd(_ byte: UInt8) {
        for count in [LineEndSearch.minLongPiece - 1, LineEndSearch.minLongPiece, 1300] {
            for position in 0..<count {
                var bytes = [UInt8](repeating: 0x61, count: count)
                bytes[position] = byte
                var search = LineEndSearch()
                let isEnd = byte == 0x0A || byte == 0x0D
                let found = search.nextEnd(in: Bytes(bytes), from: 0)
                #expect(found == (isEnd ? position : count))
                var lineFeeds = LineEndSearch()
                let lineFeed = lineFeeds.nextLineFeed(in: Bytes(bytes), from: 0)
                #expect(lineFeed == (byte == 0x0A ? position : count))
            }
        }
    }

    /// Every end in turn, in slices of a larger storage whose neighbours are ends too.
    @Test(arguments: [1, 7, 64, 128, 1023, 1024, 1025, 5000])
    func everyEndIsFoundInTurn(_ count: Int) {
        for seed in 0..<20 {
            var state = UInt64(seed)
            var storage: [UInt8] = [0x0A]
            for _ in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let choice = state >> 33 & 63
                storage.append(choice == 0 ? 0x0A : choice == 1 ? 0x0D : UInt8(choice) + 0x40)
            }
            storage.append(0x0D)
            let piece = Bytes(storage).slice(1..<count + 1)
            let expected = piece.indices.filter { piece[$0] == 0x0A || piece[$0] == 0x0D }
            var search = LineEndSearch()
            var found: [Int] = []
            var position = 0
            while case let end = search.nextEnd(in: piece, from: position), end < piece.count {
                found.append(end)
                position = end + 1
            }
            #expect(found == expected)
        }
    }

    @Test func anEmptyRestHasNoEnd() {
        var search = LineEndSearch()
        #expect(search.nextEnd(in: .empty, from: 0) == 0)
        let piece = Bytes("a\n")
        #expect(search.nextEnd(in: piece, from: 2) == 2)
        #expect(search.nextLineFeed(in: piece, from: 2) == 2)
    }
}
