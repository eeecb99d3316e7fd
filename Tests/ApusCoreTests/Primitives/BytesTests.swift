import ApusCore
import Testing

/// Bytes are sliced, compared and handed over without a copy.
@Suite struct BytesTests {
    private let digits = Bytes("0123456789")

    // MARK: Making and reading

    @Test func aTextAnArrayAndASpanGiveEqualBytes() {
        let array = Array("naïve".utf8)
        let copied = array.withSpan { Bytes(copying: $0) }
        #expect(Bytes("naïve") == Bytes(array))
        #expect(copied == Bytes(array))
        #expect(copied.array == array)
        #expect(String(copied) == "naïve")
    }

    @Test func everySequenceOfBytesGivesThem() {
        let array = Array("0123456789".utf8)
        #expect(Bytes(array[2..<5]) == Bytes("234"))
        #expect(Bytes(ContiguousArray(array)) == digits)
        #expect(Bytes(AnySequence(array)) == digits)
        #expect(Bytes(array.lazy.filter { $0 < UInt8(ascii: "3") }) == Bytes("012"))
        #expect(Bytes("012".utf8) == Bytes("012"))
        #expect(Bytes(repeatElement(0, count: 3)) == Bytes([0, 0, 0]))
        #expect(Bytes(EmptyCollection<UInt8>()).isEmpty)
        #expect(Array(Bytes(array)) == array)
    }

    @Test func bytesOfBytesAreNotCopied() {
        let part = digits.slice(2..<8)
        let again = Bytes(part)
        let place = part.withContiguousStorageIfAvailable { $0.baseAddress }
        let placeAgain = again.withContiguousStorageIfAvailable { $0.baseAddress }
        #expect(again == part)
        #expect(place == placeAgain)
    }

    @Test func emptyBytesHaveNothing() {
        #expect(Bytes.empty.isEmpty)
        #expect(Bytes.empty.count == 0)
        #expect(Bytes.empty == Bytes(""))
        #expect(Bytes.empty.first == nil)
        #expect(!digits.isEmpty)
    }

    @Test func illFormedTextBecomesReplacementCharacters() {
        #expect(String(Bytes([0x61, 0xFF, 0x62])) == "a\u{FFFD}b")
    }

    @Test func aDescriptionHasTheCountAndNeverTheContent() {
        #expect("\(Bytes("secret"))" == "6 bytes")
        #expect(String(reflecting: Bytes("secret")) == "6 bytes")
    }

    @Test func theBytesAreACollection() {
        #expect(Array(digits) == Array("0123456789".utf8))
        #expect(digits[3] == UInt8(ascii: "3"))
        #expect(digits.slice(4..<7)[0] == UInt8(ascii: "4"))
        #expect(digits.slice(4..<7).last == UInt8(ascii: "6"))
        #expect(digits.slice(4..<7).reversed() == Array("654".utf8))
    }

    // MARK: Parts

    @Test(arguments: [
        (0..<10, "0123456789"), (0..<0, ""), (10..<10, ""), (2..<5, "234"), (9..<10, "9"),
    ])
    func aSliceShowsThePartAskedFor(range: Range<Int>, text: String) {
        #expect(digits.slice(range) == Bytes(text))
        #expect(String(digits.slice(range)) == text)
    }

    @Test func aSliceOfASliceCountsFromTheSlice() {
        let middle = digits.slice(2..<8)
        #expect(middle.slice(1..<3) == Bytes("34"))
        #expect(middle.dropFirst(2).prefix(2) == Bytes("45"))
        #expect(middle.dropFirst(2).dropFirst(2) == Bytes("67"))
    }

    @Test(arguments: [
        (0, "", "0123456789"), (3, "012", "3456789"), (10, "0123456789", ""),
        (11, "0123456789", ""), (.max, "0123456789", ""),
    ])
    func aPrefixAndWhatItLeavesOutMakeTheWhole(count: Int, head: String, rest: String) {
        #expect(digits.prefix(count) == Bytes(head))
        #expect(digits.dropFirst(count) == Bytes(rest))
    }

    @Test(arguments: [0, 1, 4, 5, .max])
    func countsBeyondASliceDoNotReachItsNeighbours(count: Int) {
        let middle = digits.slice(3..<7)
        let taken = min(count, 4)
        #expect(middle.prefix(count) == Bytes(String("3456".prefix(taken))))
        #expect(middle.dropFirst(count) == Bytes(String("3456".dropFirst(taken))))
    }

    // MARK: Equality

    @Test func equalityIsOfContentNotOfStorage() {
        #expect(digits.slice(2..<4) == Bytes("23"))
        #expect(Bytes("abab").slice(0..<2) == Bytes("abab").slice(2..<4))
        #expect(digits.slice(2..<4).hashValue == Bytes("23").hashValue)
        #expect(digits != Bytes("0123456788"))
        #expect(digits != digits.prefix(9))
        #expect(Bytes("") != Bytes([0]))
    }

    // MARK: No copies

    @Test func anArrayIsTakenOverAndGivenBackWithoutACopy() {
        let array = [UInt8](repeating: 7, count: 4096)
        let bytes = Bytes(array)
        #expect(address(of: bytes) == address(of: array))
        #expect(address(of: bytes.array) == address(of: array))
    }

    @Test func partsShareTheStorage() throws {
        let bytes = Bytes([UInt8](repeating: 7, count: 4096))
        let start = try #require(address(of: bytes))
        #expect(address(of: bytes.slice(100..<200)) == start + 100)
        #expect(address(of: bytes.dropFirst(4000)) == start + 4000)
        #expect(address(of: bytes.prefix(5)) == start)
        let copy = bytes
        #expect(address(of: copy) == start)
    }

    /// A part of memory that may be kept is a slice when it is half of that memory or more.
    @Test(arguments: [(0..<600, true), (400..<1024, true), (1..<400, false), (0..<0, false)])
    func aPartOfMemoryIsSharedOrCopied(part: Range<Int>, isShared: Bool) throws {
        let memory = Bytes((0..<1024).map { UInt8(truncatingIfNeeded: $0) })
        let piece = memory.withSpan { Bytes(part, of: $0, in: memory) }
        #expect(piece == memory.slice(part))
        let start = try #require(address(of: memory))
        #expect((address(of: piece) == start + part.lowerBound) == isShared)
    }

    /// Memory with much room beside its bytes is not kept for them.
    @Test func aPartOfMemoryThatIsMostlyRoomIsCopied() {
        var array = [UInt8](repeating: 7, count: 100)
        array.reserveCapacity(4096)
        let memory = Bytes(array)
        let piece = memory.withSpan { Bytes(0..<100, of: $0, in: memory) }
        #expect(piece == memory)
        #expect(address(of: piece) != address(of: memory))
    }

    @Test func aSpanShowsTheSliceInPlace() throws {
        let part = digits.slice(3..<6)
        let shown = part.withSpan { span in
            span.withUnsafeBytes { (Int(bitPattern: $0.baseAddress), Array($0)) }
        }
        #expect(shown.0 == address(of: part))
        #expect(shown.1 == Array("345".utf8))
    }

    @Test func anErrorFromASpansReaderComesThrough() {
        struct Refusal: Error {}
        #expect(throws: Refusal.self) {
            try digits.withSpan { (_: RawSpan) throws(Refusal) -> Void in throw Refusal() }
        }
    }

    @Test func aSpanIsAppendedToAnArray() {
        var array = Array("ab".utf8)
        digits.slice(1..<3).withSpan { array.append(copying: $0) }
        #expect(array == Array("ab12".utf8))
    }

    private func address(of bytes: some Collection<UInt8>) -> Int? {
        bytes.withContiguousStorageIfAvailable { Int(bitPattern: $0.baseAddress) } ?? nil
    }
}
