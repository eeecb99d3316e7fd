import ApusCore
import HTTPTypes
import Testing

/// What is taken from the last head, and what is not.
@Suite struct RecentFieldsTests {
    private typealias Pair = (name: String, value: String)

    /// Reads a head as names and values; which of its fields were those of the last head.
    private func read(
        _ pairs: [Pair], code: Int = 200, reason: String = "", _ recent: inout RecentFields
    ) throws -> (HTTPResponse, repeated: [Bool]) {
        recent.begin()
        let repeated = try add(pairs, &recent)
        return (recent.finish(code: code, reason: reason), repeated)
    }

    private func add(_ pairs: [Pair], _ recent: inout RecentFields) throws -> [Bool] {
        try pairs.map { pair in
            let (name, value) = (Array(pair.name.utf8), Array(pair.value.utf8))
            let isRepeated = recent.repeats(name: name.span.bytes, value: value.span.bytes)
            if !isRepeated {
                let known = try #require(HTTPField.Name(pair.name))
                recent.add(
                    HTTPField(name: known, value: pair.value),
                    .init(value: name.count..<name.count + value.count),
                    name.span.bytes, value.span.bytes)
            }
            return isRepeated
        }
    }

    private func texts(_ fields: HTTPFields) -> [String] {
        fields.map { "\($0.name.rawName): \($0.value)" }
    }

    private func texts(_ pairs: [Pair]) -> [String] { pairs.map { "\($0.name): \($0.value)" } }

    @Test func equalFieldsAtTheirPlaceAreRepeated() throws {
        var recent = RecentFields()
        let pairs = [("Server", "a"), ("Date", "one"), ("Via", "b")]
        #expect(try read(pairs, &recent).repeated == [false, false, false])
        #expect(try read(pairs, &recent).repeated == [true, true, true])
        let changed = [("Server", "a"), ("Date", "two"), ("Via", "b")]
        let (response, repeated) = try read(changed, &recent)
        #expect(repeated == [true, false, true])
        #expect(texts(response.headerFields) == texts(changed))
        #expect(try read(changed, &recent).repeated == [true, true, true])
    }

    @Test(arguments: [
        [], [("A", "1")], [("A", "1"), ("B", "2")], [("A", "1"), ("B", "2"), ("C", "3")],
        [("X", "0"), ("A", "1"), ("B", "2"), ("C", "3")], [("A", "1"), ("C", "3")],
        [("a", "1"), ("B", "2"), ("C", "3")], [("A", "1"), ("A", "1"), ("A", "1"), ("A", "1")],
        [("A", ""), ("B", "12345678"), ("C", "123456789"), ("D", "1234567890123456")],
        [("A1", "2"), ("B", "2")], [("A", "12"), ("B", "")],
    ])
    func aHeadIsTheSameAfterAnyOther(pairs: [(String, String)]) throws {
        let others: [[Pair]] = [
            [], [("A", "1")], [("A", "2"), ("B", "2"), ("C", "3")], [("B", "2")],
            [("A", "12345678"), ("B", "12345678"), ("C", "123456780"), ("D", "1234567890123450")],
        ]
        for other in others {
            var recent = RecentFields()
            _ = try read(other, &recent)
            for _ in 0..<2 {
                #expect(texts(try read(pairs, &recent).0.headerFields) == texts(pairs))
            }
        }
    }

    @Test func aResponseHasItsOwnStatusAndFields() throws {
        var recent = RecentFields()
        for (code, reason) in [(200, "OK"), (200, "OK"), (200, "Fine"), (404, "Fine"), (200, "")] {
            for pairs in [[("Server", "\(code)")], [("Server", "\(code)")], []] {
                let (response, _) = try read(pairs, code: code, reason: reason, &recent)
                #expect(response.status == .init(code: code, reasonPhrase: reason))
                #expect(response.status.reasonPhrase == reason)
                #expect(texts(response.headerFields) == texts(pairs))
            }
        }
    }

    @Test func aStatusLineIsRepeatedOnceAHeadHadIt() throws {
        var recent = RecentFields()
        let input = Array("HTTP/1.1 200 OK\r\nrest".utf8)
        func status(at offset: Int, upTo count: Int = 21) -> Int? {
            recent.repeatedStatus(in: input.span.bytes.extracting(first: count), at: offset)?.count
        }
        recent.begin()
        #expect(status(at: 0) == nil)
        recent.setStatusLine(input.span.bytes.extracting(first: 17))
        _ = recent.finish(code: 200, reason: "OK")
        recent.begin()
        #expect(status(at: 0) == 17)
        #expect(status(at: 1) == nil)
        #expect(status(at: 0, upTo: 16) == nil)
        let known = recent.repeatedStatus(in: input.span.bytes, at: 0)
        #expect(known?.code == 200 && known?.reason == "OK")
    }

    /// An informational response and a trailer section are no head to remember.
    @Test func takenFieldsAreNotRemembered() throws {
        var recent = RecentFields()
        let pairs = [("A", "1"), ("B", "2")]
        _ = try read(pairs, &recent)
        for taken in [[], [("A", "1")], [("A", "1"), ("B", "2")], [("A", "3"), ("C", "4")]] {
            recent.begin()
            _ = try add(taken, &recent)
            #expect(texts(recent.takeFields()) == texts(taken))
            #expect(try read(pairs, &recent).repeated == [true, true])
        }
    }

    /// A response that a caller keeps or changes is its own.
    @Test func aKeptResponseDoesNotChange() throws {
        var recent = RecentFields()
        var (first, _) = try read([("A", "1"), ("B", "2")], &recent)
        let (second, _) = try read([("A", "3"), ("B", "2")], &recent)
        #expect(texts(first.headerFields) == ["A: 1", "B: 2"])
        first.headerFields.removeAll()
        #expect(texts(second.headerFields) == ["A: 3", "B: 2"])
        #expect(texts(try read([("A", "3")], &recent).0.headerFields) == ["A: 3"])
    }

    @Test(arguments: [8 * 1024 - 1, 8 * 1024])
    func aHeadOfManyBytesIsNotRemembered(count: Int) throws {
        var recent = RecentFields()
        let pairs = [("A", String(repeating: "v", count: count)), ("B", "2")]
        for _ in 0..<2 {
            let (response, repeated) = try read(pairs, &recent)
            #expect(texts(response.headerFields) == texts(pairs))
            #expect(repeated == [false, false])
        }
        let short = [("A", "1"), ("B", "2")]
        _ = try read(short, &recent)
        #expect(try read(short, &recent).repeated == [true, true])
        #expect(texts(try read(pairs, &recent).0.headerFields) == texts(pairs))
    }
}
