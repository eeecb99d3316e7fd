import ApusCore
import Testing

/// URLs become an origin and a target, which passes through untouched.
@Suite struct RequestURLTests {
    @Test(arguments: [
        ("http://example.com", "http://example.com", "/"),
        ("https://example.com/", "https://example.com", "/"),
        ("HTTPS://Example.COM/A/b", "https://example.com", "/A/b"),
        ("http://h:8080/a?b=c", "http://h:8080", "/a?b=c"),
        ("http://h?b=c", "http://h", "/?b=c"), ("http://h?", "http://h", "/?"),
        ("http://h#top", "http://h", "/"), ("http://h/a#b?c", "http://h", "/a"),
        ("http://h/a?b#c", "http://h", "/a?b"), ("http://h?a=/b", "http://h", "/?a=/b"),
        ("http://[::1]:81/a", "http://[::1]:81", "/a"),
        ("http://h/a/../b//c/./", "http://h", "/a/../b//c/./"),
        ("http://h/%2e%2E/%zz", "http://h", "/%2e%2E/%zz"),
        ("http://h/a@b:c", "http://h", "/a@b:c"), ("http://h/http://i/", "http://h", "/http://i/"),
        ("https://h:443/", "https://h", "/"), ("http://h/{}|\\^`\"<>", "http://h", "/{}|\\^`\"<>"),
    ])
    func aURLIsSplitAndItsTargetPassesUntouched(url: String, origin: String, target: String)
        throws
    {
        let parsed = try RequestURL(parsing: url)
        #expect(parsed.origin.description == origin)
        #expect(parsed.target == target)
    }

    @Test(arguments: [
        ("", "url"), ("example.com", "url"), ("/path", "url"), ("http:/h", "url"),
        ("http:h", "url"), ("//h/", "url"), ("mailto:a@b", "url"),
        ("ftp://h/", "scheme"), ("://h/", "scheme"), ("ws://h/", "scheme"),
        (" http://h/", "scheme"), ("socks5://h", "scheme"),
        ("http://", "host"), ("http:///a", "host"), ("http://?a", "host"), ("http://#a", "host"),
        ("http://user@h/", "host"), ("http://user:password@h/", "host"),
        ("http://h\\@i/", "host"), ("http://h h/", "host"), ("http://h\u{301}/", "host"),
        ("http://h/\u{301}", "host"), ("http://h:x/", "port"), ("http://h:0/", "port"),
        ("http://h:99999/", "port"),
        ("http://h/a b", "path"), ("http://h/a\r\nb: c", "path"), ("http://h/a\nb", "path"),
        ("http://h/\u{0}", "path"), ("http://h/\u{7F}", "path"), ("http://h/ü", "path"),
        ("http://h?a b", "path"), ("http://h/a\t", "path"), ("http://h/ #a", "path"),
        ("http://h/#\u{301}", "path"),
    ])
    func aBadURLIsRefusedNamingThePart(url: String, field: String) {
        let error = #expect(throws: InvalidRequest.self) { try RequestURL(parsing: url) }
        #expect(error?.field == field)
    }

    @Test func aRefusalNeverRepeatsTheURL() {
        let url = "http://user:hunter2@h/hunter2"
        let error = #expect(throws: InvalidRequest.self) { try RequestURL(parsing: url) }
        #expect(error?.description.contains("hunter2") == false)
    }
}
