import Apus
import ApusEvents
import Testing

/// Lines are the same however their bytes are cut into pieces.
@Suite struct LineScannerTests {
    private static let endedByLineFeed: [(input: String, lines: [String])] = [
        ("", []), ("\n", [""]), ("\n\n", ["", ""]), ("a", ["a"]), ("a\n", ["a"]),
        ("a\nb", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]), ("\r\n", [""]), ("\r\r\n", ["\r"]),
        ("a\n\nb", ["a", "", "b"]), ("a\n\r\nb\n", ["a", "", "b"]),
    ]

    @Test(arguments: endedByLineFeed)
    func lineFeedsEndLines(_ input: String, _ expected: [String]) {
        for pieces in splits(of: Array(input.utf8)) {
            #expect(lines(of: pieces) == Outcome(elements: expected), "\(pieces)")
        }
    }

    /// A CR without LF is a part of its line, in the middle and at the end of the stream.
    @Test(arguments: [
        ("a\rb\n", ["a\rb"]), ("a\r", ["a\r"]), ("\r", ["\r"]), ("a\n\rb", ["a", "\rb"]),
    ])
    func aCarriageReturnAloneIsAPartOfItsLine(_ input: String, _ expected: [String]) {
        for pieces in splits(of: Array(input.utf8)) {
            #expect(lines(of: pieces) == Outcome(elements: expected), "\(pieces)")
        }
    }

    @Test(arguments: [
        ("a\rb\nc\r\nd", ["a", "b", "c", "d"]), ("\r", [""]), ("\r\r", ["", ""]),
        ("\n\r", ["", ""]), ("\r\n\r\n", ["", ""]), ("a\r\r\nb", ["a", "", "b"]),
        ("a\r\n\nb\r", ["a", "", "b"]), ("\r\na", ["", "a"]),
    ])
    func anyEndEndsALineWhereThatIsChosen(_ input: String, _ expected: [String]) {
        for pieces in splits(of: Array(input.utf8)) {
            #expect(lines(of: pieces, ends: .any) == Outcome(elements: expected), "\(pieces)")
        }
    }

    @Test func aCarriageReturnAtTheEndOfAPieceEndsItsLineAtOnce() throws {
        var scanner = LineScanner(ends: .any)
        scanner.bytesReceived(Bytes("a\r"))
        #expect(try scanner.nextLine() == Bytes("a"))
        #expect(try scanner.nextLine() == nil)
        scanner.bytesReceived(Bytes("\nb\n"))
        #expect(try scanner.nextLine() == Bytes("b"))
        #expect(try scanner.nextLine() == nil)
    }

    // MARK: Copies

    @Test(arguments: [LineScanner.Ends.lineFeed, .any])
    func aLineInOnePieceIsASliceOfIt(_ ends: LineScanner.Ends) throws {
        let piece = Bytes("first\r\nsecond\nrest")
        var scanner = LineScanner(ends: ends)
        scanner.bytesReceived(piece)
        let first = try #require(try scanner.nextLine())
        let second = try #require(try scanner.nextLine())
        #expect(address(of: first) == address(of: piece))
        #expect(address(of: second) == address(of: piece) + 7)
        #expect(try scanner.nextLine() == nil)
        scanner.streamEnded()
        let rest = try #require(try scanner.nextLine())
        #expect(address(of: rest) == address(of: piece) + 14)
        #expect(try scanner.nextLine() == nil)
    }

    @Test func aLineOfManyPiecesDoesNotKeepThem() throws {
        // Each piece is a small part of a large storage.
        let large = Bytes([UInt8](repeating: 0x61, count: 1 << 16))
        var scanner = LineScanner()
        for _ in 0..<100 {
            scanner.bytesReceived(large.prefix(1))
            #expect(try scanner.nextLine() == nil)
        }
        scanner.bytesReceived(Bytes("\n"))
        let line = try #require(try scanner.nextLine())
        #expect(line.count == 100)
        #expect(line.array.capacity < 1000)
    }

    @Test func aPieceBeforeTheLinesOfTheLastWereReadIsAddedToIt() throws {
        var scanner = LineScanner()
        scanner.bytesReceived(Bytes("a\nb"))
        scanner.bytesReceived(Bytes(""))
        scanner.bytesReceived(Bytes("c\n"))
        #expect(try scanner.nextLine() == Bytes("a"))
        #expect(try scanner.nextLine() == Bytes("bc"))
        #expect(try scanner.nextLine() == nil)
    }

    // MARK: The bound

    @Test(arguments: [LineScanner.Ends.lineFeed, .any], ["\n", "\r\n", ""])
    func aLineOfTheLongestLengthIsAcceptedAndOneByteMoreIsNot(
        _ ends: LineScanner.Ends, _ end: String
    ) {
        for pieces in splits(of: Array(("ab\n12345678" + end).utf8)) {
            let expected = Outcome(elements: ["ab", "12345678"])
            let found = lines(of: pieces, maxLength: 8, ends: ends)
            // In an event stream the scanner's user drops a last line without an end.
            #expect(found == expected, "\(pieces)")
        }
        for pieces in splits(of: Array(("ab\n123456789" + end).utf8)) {
            let expected = Outcome(elements: ["ab"], failure: LengthExceeded(.line, limit: 8))
            #expect(lines(of: pieces, maxLength: 8, ends: ends) == expected, "\(pieces)")
        }
    }

    @Test func aCarriageReturnAtTheBoundMayBelongToTheEnd() {
        for pieces in splits(of: Array("1234\r\n1234\r\n".utf8)) {
            #expect(lines(of: pieces, maxLength: 4) == Outcome(elements: ["1234", "1234"]))
        }
        for text in ["1234\r", "1234\r5\n", "1234\r\r\n"] {
            for pieces in splits(of: Array(text.utf8)) {
                let expected = Outcome<String>(failure: LengthExceeded(.line, limit: 4))
                #expect(lines(of: pieces, maxLength: 4) == expected, "\(text) \(pieces)")
            }
        }
    }

    @Test(arguments: [0, -1]) func aBoundOfZeroAcceptsEmptyLines(_ bound: Int) {
        #expect(lines(of: [Bytes("\n\r\n")], maxLength: bound) == Outcome(elements: ["", ""]))
        let expected = Outcome<String>(failure: LengthExceeded(.line, limit: 0))
        #expect(lines(of: [Bytes("a")], maxLength: bound) == expected)
    }

    @Test func theErrorIsThrownAgain() {
        var scanner = LineScanner(maxLength: 1)
        scanner.bytesReceived(Bytes("ab"))
        #expect(throws: LengthExceeded(.line, limit: 1)) { try scanner.nextLine() }
        scanner.bytesReceived(Bytes("c\n"))
        #expect(throws: LengthExceeded(.line, limit: 1)) { try scanner.nextLine() }
    }

    /// A search that began again at each piece would take hours here.
    @Test(arguments: [LineScanner.Ends.lineFeed, .any])
    func aLineOfFiftyMegabytesIsRead(_ ends: LineScanner.Ends) throws {
        let piece = Bytes([UInt8](repeating: 0x61, count: 16 << 10))
        let count = LineScanner.defaultMaxLength / piece.count
        var scanner = LineScanner(ends: ends)
        for _ in 0..<count {
            scanner.bytesReceived(piece)
            #expect(try scanner.nextLine() == nil)
        }
        var longer = scanner
        longer.bytesReceived(Bytes("a"))
        #expect(throws: LengthExceeded.self) { try longer.nextLine() }
        scanner.bytesReceived(Bytes("\n"))
        #expect(try scanner.nextLine()?.count == 50 << 20)
    }

    @Test func aLongLineByteByByteIsSearchedOnce() throws {
        var scanner = LineScanner(ends: .any)
        let byte = Bytes("a")
        for _ in 0..<1 << 17 {
            scanner.bytesReceived(byte)
            #expect(try scanner.nextLine() == nil)
        }
        scanner.bytesReceived(Bytes("\r"))
        #expect(try scanner.nextLine()?.count == 1 << 17)
    }
}
