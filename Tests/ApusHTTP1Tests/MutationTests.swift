import ApusHTTP1
import Testing

/// The verdict on any bytes, also on damaged ones, does not hang on how they were cut.
@Suite struct MutationTests {
    /// Bytes that the grammar gives a meaning to, and some that it forbids.
    private static let significant: [UInt8] = [
        0x00, 0x09, 0x0A, 0x0D, 0x20, 0x2C, 0x30, 0x3A, 0x3B, 0x46, 0x61, 0x7F, 0x80, 0xFF,
    ]

    @Test(arguments: Transcript.all(in: "accept") + Transcript.all(in: "reject"))
    func aDamagedTranscriptHasOneOutcome(_ transcript: Transcript) {
        let seed = transcript.name.utf8.reduce(UInt64(7)) { $0 &* 31 &+ UInt64($1) }
        var random = SmallRandom(seed: seed)
        for round in 0..<40 {
            var damaged = transcript
            for turn in damaged.turns.indices {
                Self.damage(&damaged.turns[turn].bytes, &random)
            }
            let whole = Conversation.log(of: damaged, cut: .whole)
            let single = Conversation.log(of: damaged, cut: .byteByByte)
            let longest = damaged.turns.map(\.bytes.count).max() ?? 0
            let offset = Int(random.next() % UInt64(longest + 1))
            let halves = Conversation.log(of: damaged, cut: .at(offset))
            if whole != single || whole != halves {
                let bytes = damaged.turns.map { Transcript.escape($0.bytes) }
                Issue.record(
                    "round \(round), \(bytes): \(whole), \(single), at \(offset) \(halves)")
                return
            }
        }
    }

    /// Puts in, leaves out, or replaces one byte, or doubles a stretch.
    private static func damage(_ bytes: inout [UInt8], _ random: inout SmallRandom) {
        guard !bytes.isEmpty else { return }
        let place = Int(random.next() % UInt64(bytes.count))
        let byte = significant[Int(random.next() % UInt64(significant.count))]
        switch random.next() % 4 {
        case 0: bytes.insert(byte, at: place)
        case 1: bytes.remove(at: place)
        case 2: bytes[place] = byte
        default: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
        }
    }
}

/// A generator that gives the same numbers on every run (xorshift64*).
struct SmallRandom {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed | 1
    }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (state &* 0x2545_F491_4F6C_DD1D) >> 16
    }
}
