import Apus
import ApusEvents
import Testing

/// The event-stream cases of web-platform-tests (`eventsource/format-*`), each as a test of its
/// own making, at every split.
@Suite struct EventStreamFormatTests {
    /// The case format-bom.
    @Test func aByteOrderMarkCountsOnce() {
        expect(
            "\u{FEFF}data:one\n\n\u{FEFF}data:two\n\ndata:three\n\n",
            [event("one"), event("three")])
    }

    /// The case format-bom-2.
    @Test func ofTwoByteOrderMarksTheSecondBelongsToTheName() {
        expect("\u{FEFF}\u{FEFF}data:one\n\ndata:two\n\n", [event("two")])
    }

    /// The case format-comments.
    @Test func commentsOfAnyLengthAreSkipped() {
        let long = String(repeating: "y", count: 700)
        let input =
            "data:p\r:\0\n:\r\ndata:q\n:\(long)\rdata:r\n:data:no\r:\(long)\ndata:s\n\n"
        expect(input, [event("p\nq\nr\ns")])
    }

    /// The case format-data-before-final-empty-line.
    @Test func dataBeforeAMissingBlankLineIsDropped() throws {
        var parser = ServerSentEventParser()
        parser.bytesReceived(Bytes("retry:900\ndata:whole\n\nid:cut\ndata:never"))
        #expect(try parser.nextEvent() == event("whole"))
        #expect(try parser.nextEvent() == nil)
        // The ID of the incomplete event is not sent when the stream is opened again.
        #expect(parser.lastEventID == "")
        #expect(parser.reconnectionTime == .milliseconds(900))
    }

    /// The case format-field-data.
    @Test func dataWithoutValueOrColonIsData() {
        expect("data:\n\ndata\ndata\n\ndata:x\n\n", [event(""), event("\n"), event("x")])
    }

    /// The case format-field-event.
    @Test func aTypeIsThatOfOneEvent() {
        expect("event:kind\ndata:x\n\ndata:x\n\n", [event("x", type: "kind"), event("x")])
    }

    /// The case format-field-event-empty.
    @Test func anEmptyTypeIsMessage() {
        expect("event: \ndata:y\n\n", [event("y")])
    }

    /// The cases format-field-id, format-field-id-2.
    @Test func anIDBeyondASCIIIsKept() {
        expect(
            "id: \u{2026}\ndata: x\n\ndata: y\n\n",
            [event("x", id: "\u{2026}"), event("y", id: "\u{2026}")])
    }

    /// The case format-field-id-3.
    @Test(arguments: ["id:", "id: ", "id"]) func anEmptyIDResetsIt(_ line: String) {
        expect(
            "id: 1\ndata: a\n\ndata: b\n\n\(line)\ndata: c\n\ndata: d\n\n",
            [event("a", id: "1"), event("b", id: "1"), event("c"), event("d")])
    }

    /// The case format-field-id-null.
    @Test(arguments: ["\0", "\0\0", "i\0", "\0i", "i\0i", " \0"])
    func anIDWithNULAnywhereIsIgnored(_ id: String) {
        expect("id: \(id)\ndata: x\n\n", [event("x")])
    }

    /// The case format-field-parsing.
    @Test func namesAreExact() {
        let input =
            "data:\0\ndata:  b\rData:c\ndata\0:d\ndata:e\r\0data:f\nda-ta:g\rdata_h\n"
            + "data:i\rdata:\r\n data:j\ndata:k\n\n"
        expect(input, [event("\0\n b\ne\ni\n\nk")])
    }

    /// The cases format-field-retry, format-field-retry-bogus, format-field-retry-empty.
    @Test(arguments: [
        ("retry:3000\ndata:x\n\n", 3000), ("retry:3000\nretry:1000x\ndata:x\n\n", 3000),
        ("retry\ndata:x\n\n", nil),
    ])
    func theRetryTimeIsTheLastValidOne(_ input: String, _ milliseconds: Int?) throws {
        for pieces in splits(of: Array(input.utf8)) {
            var parser = ServerSentEventParser()
            for piece in pieces {
                parser.bytesReceived(piece)
                while let found = try parser.nextEvent() { #expect(found == event("x")) }
            }
            #expect(parser.reconnectionTime == milliseconds.map { .milliseconds($0) })
        }
    }

    /// The case format-field-unknown.
    @Test func unknownFieldsAreSkipped() {
        expect("data:x\n data\ndata\nother:y\nwords\n:comment\ndata:z\n\n", [event("x\n\nz")])
    }

    /// The case format-leading-space.
    @Test func onlyOneSpaceIsRemovedAndNoTab() {
        expect("data:\tx\rdata: \ndata:y\n\n", [event("\tx\n\ny")])
    }

    /// The case format-newlines.
    @Test func allLineEndsMayBeMixed() {
        expect("data:x\r\ndata\ndata:y\r\n\r\n", [event("x\n\ny")])
    }

    /// The case format-null-character.
    @Test func dataMayBeNUL() {
        expect("data:\0\n\n\n\n", [event("\0")])
    }

    /// The case format-utf-8.
    @Test func textIsUTF8() throws {
        let input = Array("data:\u{20AC}\u{1F600}\n\n".utf8)
        for pieces in splits(of: input) {
            #expect(events(of: pieces).elements.map(\.text) == ["\u{20AC}\u{1F600}"])
        }
    }

    /// The case event-data.
    @Test func linesOfDataAreOneEvent() {
        expect(
            "data:one\n\n:two\ndata\n\n:three\n:\ndata:four\nfive\ndata: six\n\n",
            [event("one"), event(""), event("four\nsix")])
    }
}
