import Apus
import ApusEvents
import Testing

/// The rules of the HTML standard, section 9.2.6, at every split.
@Suite struct ServerSentEventParserTests {
    // MARK: Blocks

    @Test func aBlankLineEndsAnEvent() {
        expect("data: a\n\ndata: b\n\n", [event("a"), event("b")])
        expect("data: a\r\rdata: b\r\r", [event("a"), event("b")])
        expect("data: a\r\n\r\ndata: b\r\n\r\n", [event("a"), event("b")])
        expect("\n\n\ndata: a\n\n\n\n", [event("a")])
    }

    @Test(arguments: ["", "data: a", "data: a\n", "data: a\r", "data: a\r\n", "event: a\nid: 1\n"])
    func anEventWithoutABlankLineIsDropped(_ rest: String) {
        expect(rest, [])
        expect("data: x\n\n" + rest, [event("x")])
    }

    @Test(arguments: ["data: a\r\r", "data: a\n\r", "data: a\r\n\r", "data: a\n\n"])
    func anEventIsDeliveredWithTheLastByteOfItsBlankLine(_ input: String) throws {
        var parser = ServerSentEventParser()
        let bytes = Array(input.utf8)
        parser.bytesReceived(Bytes(Array(bytes.dropLast())))
        #expect(try parser.nextEvent() == nil)
        parser.bytesReceived(Bytes(Array(bytes.suffix(1))))
        #expect(try parser.nextEvent() == event("a"))
        // The rest of a CRLF neither ends another block nor begins one.
        parser.bytesReceived(Bytes("\ndata: b\n\n"))
        #expect(try parser.nextEvent() == event("b"))
        #expect(try parser.nextEvent() == nil)
    }

    // MARK: Fields

    @Test func dataIsJoinedByLineFeeds() {
        expect("data: a\ndata: b\ndata: c\n\n", [event("a\nb\nc")])
        expect("data:\n\n", [event("")])
        expect("data\n\n", [event("")])
        expect("data\ndata\n\n", [event("\n")])
        expect("data:\ndata: a\ndata\n\n", [event("\na\n")])
    }

    @Test func oneSpaceAfterTheColonIsRemoved() {
        expect("data:  a \n\n", [event(" a ")])
        expect("data:\ta\n\n", [event("\ta")])
        expect("data: : a\n\n", [event(": a")])
    }

    @Test func theTypeIsTheLastOneOfTheBlock() {
        expect("event: a\nevent: b\ndata: x\n\ndata: y\n\n", [event("x", type: "b"), event("y")])
        expect("event: a\nevent:\ndata: x\n\n", [event("x")])
        expect("event: a\n\ndata: x\n\n", [event("x")])
        expect(
            "event: content_block_delta\ndata: x\n\nevent: content_block_delta\ndata: y\n\n",
            [event("x", type: "content_block_delta"), event("y", type: "content_block_delta")])
    }

    @Test func theIDIsKeptOverEvents() {
        expect(
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [event("a", id: "1"), event("b", id: "1"), event("c")])
        // A block without data is no event, but its ID counts.
        expect("id: 7\n\ndata: a\n\n", [event("a", id: "7")])
    }

    @Test func anIDWithNULIsIgnored() {
        expect("id: 1\nid: 2\0\ndata: a\n\n", [event("a", id: "1")])
    }

    @Test func theIDBeforeTheStreamIsThatOfItsFirstEvents() {
        let pieces = [Bytes("data: a\n\nid: 2\ndata: b\n\n")]
        #expect(
            events(of: pieces, lastEventID: "1").elements == [
                event("a", id: "1"), event("b", id: "2"),
            ])
    }

    @Test func theIDOfABlockCountsFromItsEnd() throws {
        var parser = ServerSentEventParser()
        parser.bytesReceived(Bytes("id: 1\ndata: a\n\nid: 2\ndata: b\n"))
        _ = try parser.nextEvent()
        #expect(try parser.nextEvent() == nil)
        #expect(parser.lastEventID == "1")
        parser.bytesReceived(Bytes("\n"))
        _ = try parser.nextEvent()
        #expect(parser.lastEventID == "2")
    }

    @Test(arguments: [
        ("retry: 1500", 1500), ("retry:0", 0), ("retry: 007", 7), ("retry: 1500x", nil),
        ("retry: -1", nil), ("retry: 1.5", nil), ("retry:", nil), ("retry", nil),
        ("retry:  1", nil), ("retry: \u{0661}", nil), ("Retry: 1", nil),
        ("retry: 99999999999999999999", Int64.max),
    ])
    func theRetryTimeIsDigitsAlone(_ line: String, _ milliseconds: Int64?) throws {
        var parser = ServerSentEventParser()
        parser.bytesReceived(Bytes(line + "\n"))
        #expect(try parser.nextEvent() == nil)
        // It counts at once, whether or not an event follows.
        #expect(parser.reconnectionTime == milliseconds.map { .milliseconds($0) })
    }

    @Test func otherFieldsAreIgnored() {
        expect("Data: a\nDATA: b\n data: c\ndatas: d\ndat: e\ndata : f\n\n", [])
        expect("eventual\nidx: 1\nretryx: 2\ni\ne:\ndata: a\n\n", [event("a")])
    }

    // MARK: Bytes

    @Test func aByteOrderMarkIsRemovedAtTheStartOnly() {
        expect("\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", [event("a")])
        expect("\u{FEFF}\u{FEFF}data: a\n\n", [])
        expect("\u{FEFF}\n\u{FEFF}data: a\n\n", [])
    }

    @Test func illFormedTextIsReplaced() throws {
        for pieces in splits(of: Array("data: a".utf8) + [0xFF, 0xE2, 0x82] + Array("b\n\n".utf8)) {
            let event = try #require(events(of: pieces).elements.first)
            #expect(event.text == "a\u{FFFD}\u{FFFD}b")
            #expect(event.data.count == 5)
        }
    }

    @Test func dataInOnePieceIsASliceOfIt() throws {
        let piece = Bytes("event: x\ndata: abc\n\n")
        var parser = ServerSentEventParser()
        parser.bytesReceived(piece)
        let data = try #require(try parser.nextEvent()).data
        #expect(address(of: data) == address(of: piece) + 15)
    }

    // MARK: Comments

    @Test func commentsAreIgnoredUnlessTheyAreRequested() {
        expect(": a\n:\ndata: x\n: b\ndata: y\n\n", [event("x\ny")])
    }

    @Test func commentsAreDeliveredOnRequestInTheirPlace() {
        func comment(_ text: String, id: String = "") -> ServerSentEvent {
            ServerSentEvent(kind: .comment, type: "", data: Bytes(text), lastEventID: id)
        }
        let input = ": ping\n:\r:a:b\r\nid: 1\ndata: x\n: c\n\n:\n"
        let expected = [
            comment(" ping"), comment(""), comment("a:b"), comment(" c"), event("x", id: "1"),
            comment("", id: "1"),
        ]
        for pieces in splits(of: Array(input.utf8)) {
            #expect(events(of: pieces, comments: true) == Outcome(elements: expected))
        }
    }

    /// A heartbeat is delivered with its own line end, without a blank line.
    @Test func aCommentIsDeliveredAtOnce() throws {
        var parser = ServerSentEventParser(reportsComments: true)
        parser.bytesReceived(Bytes(":\r"))
        #expect(try parser.nextEvent()?.kind == .comment)
    }

    // MARK: The bound

    @Test func dataOfTheLongestLengthIsAcceptedAndOneByteMoreIsNot() {
        for pieces in splits(of: Array("data:1234\ndata:678\n\n".utf8)) {
            let found = events(of: pieces, maxLength: 9)
            #expect(found.failure == nil)
            #expect(found.elements == [event("1234\n678")])
        }
        // The line feeds between the fields count: ten bytes.
        for pieces in splits(of: Array("data:a\n\ndata:1\ndata:2345\ndata:678\n\n".utf8)) {
            let expected = Outcome(
                elements: [event("a")], failure: LengthExceeded(.event, limit: 9))
            #expect(events(of: pieces, maxLength: 9) == expected)
        }
    }

    @Test func aLineBeyondTheBoundIsAnError() {
        for input in ["data:12345\n\n", ":123456789", "id:1234567\n", "x123456789"] {
            for pieces in splits(of: Array(("data:a\n\n" + input).utf8)) {
                let expected = Outcome(
                    elements: [event("a")], failure: LengthExceeded(.line, limit: 9))
                #expect(events(of: pieces, maxLength: 9) == expected, "\(input) \(pieces)")
            }
        }
    }

    @Test func heartbeatsWithoutEndStayWithinTheBound() {
        let pieces = (0..<1000).map { _ in Bytes(": ping\n") }
        #expect(events(of: pieces, maxLength: 10).failure == nil)
        #expect(events(of: pieces, maxLength: 10, comments: true).elements.count == 1000)
    }

    @Test func theErrorIsThrownAgain() {
        var parser = ServerSentEventParser(maxLength: 7)
        parser.bytesReceived(Bytes("data:12\ndata:34\ndata:56\n\n"))
        for _ in 0..<2 {
            #expect(throws: LengthExceeded(.event, limit: 7)) { try parser.nextEvent() }
        }
    }
}
