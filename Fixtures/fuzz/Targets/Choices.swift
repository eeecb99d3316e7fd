/// Reads an input as a list of decisions; at its end every decision is zero.
struct Choices {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Whether nothing is left to decide by.
    var isAtEnd: Bool { position >= bytes.count }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        position += 1
        return bytes[position - 1]
    }

    mutating func bool() -> Bool { byte() & 1 == 1 }

    /// A number below `bound`, which is at most 256.
    mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }

    mutating func number16() -> Int { Int(byte()) << 8 | Int(byte()) }

    /// So many bytes, or what is left.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// The bytes up to a zero byte, which is passed over, or to the end.
    mutating func text() -> [UInt8] {
        let end = bytes[position...].firstIndex(of: 0) ?? bytes.count
        defer { position = min(bytes.count, end + 1) }
        return Array(bytes[position..<end])
    }

    mutating func rest() -> [UInt8] { take(bytes.count - position) }
}

/// How one stretch of bytes is cut into inputs.
enum Cut: Equatable {
    case whole
    case byteByByte
    /// Pieces of 1 to 32 bytes, by this seed.
    case random(UInt8)

    /// The three ways that must come to the same.
    static func all(seed: UInt8) -> [Cut] { [.whole, .byteByByte, .random(seed)] }

    func pieces(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        guard !bytes.isEmpty else { return [] }
        var state: UInt64 = 0
        if case .random(let seed) = self { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }
        var pieces: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            let length: Int
            switch self {
            case .whole: length = bytes.count
            case .byteByByte: length = 1
            case .random:
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                length = 1 + Int(state % 32)
            }
            let end = min(bytes.count, start + length)
            pieces.append(bytes[start..<end])
            start = end
        }
        return pieces
    }
}
