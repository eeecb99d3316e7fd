import ApusCore
import HTTPTypes
import Testing

/// What a proxy passes on of a message's fields, in both directions.
@Suite struct HTTPFieldsHopByHopTests {
    private func fields(_ fields: [(String, String)]) throws -> HTTPFields {
        var made = HTTPFields()
        for (name, value) in fields {
            made.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
        }
        return made
    }

    private func lines(_ fields: HTTPFields) -> [String] {
        fields.map { "\($0.name.rawName): \($0.value)" }
    }

    static let cases: [([(String, String)], request: [String], response: [String])] = [
        ([], [], []),
        ([("Accept", "*/*"), ("X", "1")], ["Accept: */*", "X: 1"], ["Accept: */*", "X: 1"]),
        ([("Connection", "close"), ("X", "1")], ["X: 1"], ["X: 1"]),
        // Connection's own list, in any case, in several fields, with blanks and empty members.
        (
            [
                ("X-One", "1"), ("connection", " ,\tx-ONE , keep-alive,,"), ("x-two", "2"),
                ("Keep-Alive", "timeout=5"), ("Connection", "X-Two"), ("X-Three", "3"),
            ],
            ["X-Three: 3"], ["X-Three: 3"]
        ),
        (
            [
                ("Proxy-Connection", "keep-alive"), ("Proxy-Authorization", "Basic x"),
                ("Proxy-Authenticate", "Basic"), ("Proxy-Authentication-Info", "x"),
                ("Proxy-Status", "p; error=x"), ("Authorization", "Bearer x"),
            ],
            ["Proxy-Status: p; error=x", "Authorization: Bearer x"],
            ["Proxy-Status: p; error=x", "Authorization: Bearer x"]
        ),
        (
            [("Transfer-Encoding", "chunked"), ("Content-Length", "5"), ("Trailer", "X")],
            ["Content-Length: 5", "Trailer: X"], ["Content-Length: 5", "Trailer: X"]
        ),
        (
            [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("HTTP2-Settings", "x")],
            ["HTTP2-Settings: x"], ["HTTP2-Settings: x"]
        ),
        ([("TE", "gzip")], [], []),
        ([("TE", "gzip;q=0.5, Trailers"), ("X", "1")], ["X: 1", "TE: trailers"], ["X: 1"]),
        ([("Connection", "TE"), ("TE", "trailers")], ["TE: trailers"], []),
        (
            [("X", "1"), ("x", "2"), ("X", "3")], ["X: 1", "x: 2", "X: 3"],
            ["X: 1", "x: 2", "X: 3"]
        ),
    ]

    @Test(arguments: cases)
    func fieldsForOneHopAreRemoved(
        given: [(String, String)], request: [String], response: [String]
    ) throws {
        var asked = HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/")
        asked.headerFields = try fields(given)
        let passedOn = asked.removingHopByHopFields()
        #expect(lines(passedOn.headerFields) == request)
        #expect(passedOn.path == "/")
        let answer = HTTPResponse(status: .ok, headerFields: try fields(given))
        #expect(lines(answer.removingHopByHopFields().headerFields) == response)
        #expect(passedOn.removingHopByHopFields() == passedOn)
    }
}
