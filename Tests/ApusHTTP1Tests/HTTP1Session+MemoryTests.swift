import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// What is remembered from one response to the next never shows in a response.
@Suite struct HTTP1SessionMemoryTests {
    private static let heads = [
        "HTTP/1.1 200 OK\r\nServer: a\r\nDate: one\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nServer: a\r\nDate: two\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nserver: a\r\nDATE: two\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 Fine\r\nServer: ab\r\nServer: a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200\r\nServer:\r\nX-Own: a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 OK\r\nServer: \u{E4}\r\nVia: a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: a=b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nVia: \(String(repeating: "v", count: 64))\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nVia: \(String(repeating: "v", count: 65))\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 \(String(repeating: "r", count: 65))\r\nContent-Length: 0\r\n\r\n",
    ]

    /// Each pair in each order, the second one cut at each place.
    @Test(arguments: heads)
    func aResponseIsTheSameAfterAnyOther(first: String) throws {
        for second in Self.heads {
            var fresh = RecentFields()
            let expected = try head(of: second, &fresh)
            for cut in second.utf8.indices {
                var recent = RecentFields()
                _ = try head(of: first, &recent)
                #expect(try head(of: second, cutAt: cut, &recent) == expected)
                #expect(try head(of: second, &recent) == expected)
            }
        }
    }

    /// Heads of a few fields in any order, whole and cut, of two connections that share the memory.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func aRandomWalkThroughHeadsReadsEachAsIfItWereTheFirst(seed: UInt64) throws {
        var random = SmallRandom(seed: seed)
        let statusLines = ["HTTP/1.1 200 OK", "HTTP/1.1 404 No", "HTTP/1.0 200 OK"]
        let lines = [
            "Server: a", "Server: b", "server: a", "Date: Mon, 01 Jan 2026 00:00:00 GMT",
            "X-Own: 1",
            "Content-Length: 0", "Content-Length: 0, 0", "Connection: keep-alive", "Via:", "Via: é",
        ]
        var recent = RecentFields()
        for _ in 0..<300 {
            var head = statusLines[Int(random.next() % 3)]
            for _ in 0..<random.next() % 7 {
                head += "\r\n" + lines[Int(random.next() % UInt64(lines.count))]
            }
            head += "\r\n\r\n"
            let place = Int(random.next() % UInt64(2 * head.utf8.count))
            let cut = head.utf8.index(head.startIndex, offsetBy: place, limitedBy: head.endIndex)
            var fresh = RecentFields()
            #expect(try self.head(of: head, cutAt: cut, &recent) == self.head(of: head, &fresh))
        }
    }

    @Test func aCutHeadTakesNothingOfAnotherConnections() throws {
        var recent = RecentFields()
        let known = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nContent-Length: 0\r\n\r\n"
        _ = try head(of: known, &recent)
        var cut = HTTP1Session(limits: .init())
        cut.startGet()
        let start = Array("HTTP/1.1 200 OK\r\nA: 1\r\nB".utf8)
        var offset = 0
        #expect(try cut.nextEvent(in: start.span.bytes, offset: &offset, recent: &recent) == nil)
        _ = try head(of: "HTTP/1.1 404 No\r\nC: 3\r\nContent-Length: 0\r\n\r\n", &recent)
        let rest = Array(": 2\r\nContent-Length: 0\r\n\r\n".utf8)
        offset = 0
        let event = try cut.nextEvent(in: rest.span.bytes, offset: &offset, recent: &recent)
        guard case .head(let response, 0)? = event else {
            Issue.record("no head")
            return
        }
        var fresh = RecentFields()
        #expect(try response == head(of: known, &fresh))
    }

    /// Bytes that are not UTF-8 are kept as they are.
    @Test func aValueThatIsNoTextIsRemembered() throws {
        let start = Array("HTTP/1.1 204 No\r\nServer: ".utf8)
        let bytes = start + [0xFF, 0xFE] + Array("\r\n\r\n".utf8)
        var recent = RecentFields()
        for _ in 0..<3 {
            let response = try head(of: bytes, &recent)
            let value = response.headerFields.first?.withUnsafeBytesOfValue { Array($0) }
            #expect(value == [0xFF, 0xFE])
        }
    }

    private func head(
        of text: String, cutAt cut: String.Index? = nil, _ recent: inout RecentFields
    ) throws -> HTTPResponse {
        let cut = cut.map { text.utf8.distance(from: text.startIndex, to: $0) }
        return try head(of: Array(text.utf8), cutAt: cut, &recent)
    }

    private func head(
        of bytes: [UInt8], cutAt cut: Int? = nil, _ recent: inout RecentFields
    ) throws -> HTTPResponse {
        var machine = HTTP1Session(limits: .init())
        machine.startGet()
        var response: HTTPResponse?
        for piece in [bytes[..<(cut ?? 0)], bytes[(cut ?? 0)...]] {
            let piece = Array(piece)
            var offset = 0
            while let event = try machine.nextEvent(
                in: piece.span.bytes, offset: &offset, recent: &recent)
            {
                if case .head(let head, _) = event { response = head }
            }
        }
        return try #require(response)
    }
}
