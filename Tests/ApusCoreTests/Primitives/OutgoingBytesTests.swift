import ApusCore
import Testing

@Suite struct OutgoingBytesTests {
    private static let least = OutgoingBytes.maxCopied + 1

    /// Pieces of every kind of neighbour, the last short or long.
    private static let orders = [
        [], [0], [1], [least], [least - 1, least], [least, least],
        [1, 2, least, 3, least, least, 4],
        [least, 0, 1], [0, least, 0],
    ]

    @Test(arguments: orders)
    func piecesStayInOrder(_ counts: [Int]) {
        let (bytes, expected) = Self.made(of: counts)
        #expect(bytes.count == expected.count)
        #expect(bytes.isEmpty == expected.isEmpty)
        var copy: [UInt8] = [7]
        bytes.copy(to: &copy)
        #expect(copy == [7] + expected)
        bytes.forEachPiece { if $0.isEmpty { Issue.record("an empty piece") } }
    }

    @Test(arguments: orders, orders)
    func oneIsAppendedToAnother(_ first: [Int], _ second: [Int]) {
        var (bytes, expected) = Self.made(of: first)
        let other = Self.made(of: second)
        bytes.append(other.0)
        expected += other.1
        var copy: [UInt8] = []
        bytes.copy(to: &copy)
        #expect(copy == expected)
        #expect(bytes.count == expected.count)
        bytes.removeAll()
        #expect(bytes.isEmpty)
        bytes.forEachPiece { _ in Issue.record("a piece of nothing") }
    }

    @Test func longPiecesAreNotCopiedAndShortOnesAreJoined() throws {
        let long = Bytes([UInt8](repeating: 1, count: Self.least))
        var bytes = OutgoingBytes()
        bytes.append(Bytes("a"))
        bytes.append(Bytes("b"))
        bytes.append(long)
        bytes.append(long.dropFirst(1))
        bytes.append(long)
        bytes.append(Bytes("c"))
        var pieces: [(address: Int, count: Int)] = []
        bytes.forEachPiece { pieces.append((Self.address(of: $0), $0.byteCount)) }
        try #require(pieces.map(\.count) == [2, Self.least, Self.least - 1, Self.least, 1])
        #expect(pieces[1].address == long.withSpan { Self.address(of: $0) })
    }

    @Test(arguments: orders)
    func anArrayIsTakenAndGivenBack(_ counts: [Int]) {
        let (other, expected) = Self.made(of: counts)
        var array: [UInt8] = [7, 8]
        var bytes = OutgoingBytes(taking: &array)
        #expect(array.isEmpty && bytes.count == 2)
        bytes.append(other)
        bytes.give(to: &array)
        #expect(array == [7, 8] + expected)
        #expect(bytes.isEmpty)
    }

    private static func made(of counts: [Int]) -> (OutgoingBytes, [UInt8]) {
        var bytes = OutgoingBytes()
        var expected: [UInt8] = []
        for (index, count) in counts.enumerated() {
            let piece = [UInt8](repeating: UInt8(index), count: count)
            // Each way in.
            if index % 2 == 0 {
                bytes.append(Bytes(piece))
            } else {
                piece.withSpan { bytes.append(copying: $0) }
            }
            expected += piece
        }
        return (bytes, expected)
    }

    private static func address(of span: RawSpan) -> Int {
        span.withUnsafeBytes { Int(bitPattern: $0.baseAddress) }
    }
}
