import ApusCore
import HTTPTypes
import Testing

/// Requests made from a URL, and the error for a bad one.
@Suite struct HTTPRequestURLTests {
    @Test func getAndPostFillInEveryPart() throws {
        let fields: HTTPFields = [.accept: "a/b"]
        let get = try HTTPRequest.get("https://Example.com:444/a?b#c", fields: fields)
        #expect(get.method == .get)
        #expect(get.scheme == "https")
        #expect(get.authority == "example.com:444")
        #expect(get.path == "/a?b")
        #expect(get.headerFields == fields)

        let post = try HTTPRequest.post("http://example.com")
        #expect(post.method == .post)
        #expect(post.scheme == "http")
        #expect(post.authority == "example.com")
        #expect(post.path == "/")
        #expect(post.headerFields.isEmpty)
    }

    @Test func anyMethodTakesAURL() throws {
        let request = try HTTPRequest(.delete, url: "http://h/x")
        #expect(request.method == .delete)
        #expect(request.path == "/x")
    }

    @Test func aBadURLMakesNoRequest() {
        let makers: [(field: String, make: () throws(TransportError) -> HTTPRequest)] = [
            ("url", { () throws(TransportError) in try .get("example.com") }),
            ("host", { () throws(TransportError) in try .post("http://user@h/") }),
            ("path", { () throws(TransportError) in try HTTPRequest(.put, url: "http://h/ ") }),
        ]
        for (field, make) in makers {
            let error = #expect(throws: TransportError.self) { try make() }
            #expect(error?.invalidRequest?.field == field)
            #expect(error?.phase == .request)
            #expect(error?.replay == .notSent)
            #expect(error?.message == error?.invalidRequest?.description)
        }
    }
}
