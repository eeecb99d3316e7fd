import ApusRetry
import Testing

/// The parts of a reference and its resolution (RFC 3986, section 5).
@Suite struct URIReferenceTests {
    private let base = URIReference(parsing: "http://a/b/c/d;p?q")

    /// RFC 3986, section 5.4.1, in its order.
    @Test(arguments: [
        ("g:h", "g:h"), ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"), ("/g", "http://a/g"), ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"), ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"), ("g?y#s", "http://a/b/c/g?y#s"), (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"), ("g;x?y#s", "http://a/b/c/g;x?y#s"),
        ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"),
        ("..", "http://a/b/"), ("../", "http://a/b/"), ("../g", "http://a/b/g"),
        ("../..", "http://a/"), ("../../", "http://a/"), ("../../g", "http://a/g"),
    ])
    func theNormalExamples(reference: String, target: String) {
        #expect(URIReference(parsing: reference).resolved(against: base).text == target)
    }

    /// RFC 3986, section 5.4.2, in its order; the last one as a strict parser resolves it.
    @Test(arguments: [
        ("../../../g", "http://a/g"), ("../../../../g", "http://a/g"), ("/./g", "http://a/g"),
        ("/../g", "http://a/g"), ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."), ("..g", "http://a/b/c/..g"), ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"), ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"), ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"), ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g#s/./x"), ("g#s/../x", "http://a/b/c/g#s/../x"),
        ("http:g", "http:g"),
    ])
    func theAbnormalExamples(reference: String, target: String) {
        #expect(URIReference(parsing: reference).resolved(against: base).text == target)
    }

    /// RFC 3986, section 5.2.4, and its edges.
    @Test(arguments: [
        ("/a/b/c/./../../g", "/a/g"), ("mid/content=5/../6", "mid/6"), ("", ""), ("/", "/"),
        ("/.", "/"), ("/..", "/"), ("/./", "/"), ("/../", "/"), (".", ""), ("..", ""),
        ("/a/..", "/"), ("/a/.", "/a/"), ("/a//../b", "/a/b"), ("//", "//"), ("/a/", "/a/"),
        ("/...", "/..."), ("/a/.../b", "/a/.../b"), ("/%2e%2e/a", "/%2e%2e/a"),
        ("/../../..", "/"), ("/a/b/../..", "/"), ("../a", "a"),
    ])
    func dotSegmentsAreRemoved(path: String, result: String) {
        #expect(URIReference.removingDotSegments(from: path) == result)
    }

    @Test func aPathIsAppendedToABaseWithoutOne() {
        let empty = URIReference(parsing: "http://a?q")
        #expect(URIReference(parsing: "g").resolved(against: empty).text == "http://a/g")
        #expect(URIReference(parsing: "").resolved(against: empty).text == "http://a?q")
        let opaque = URIReference(parsing: "g:h")
        #expect(URIReference(parsing: "x").resolved(against: opaque).text == "g:x")
    }

    @Test func partsThatAreEmptyDifferFromAbsentOnes() {
        let parts = URIReference(parsing: "HTTP://?#")
        #expect(
            parts
                == URIReference(scheme: "http", authority: "", path: "", query: "", fragment: ""))
        #expect(parts.text == "http://?#")
        #expect(URIReference(parsing: "") == URIReference(path: ""))
    }

    /// What looks like a scheme and is none is a path.
    @Test(arguments: ["1a:b", ":b", "+a:b", "a_b:c", "a/b:c", "a?b:c", "\u{e9}a:b"])
    func aTextWithoutASchemeHasNone(text: String) {
        let parts = URIReference(parsing: text)
        #expect(parts.scheme == nil)
        #expect(parts.text == text)
    }

    /// Whatever the text is, its parts join to it again, but for the case of the scheme.
    @Test func thePartsOfEachCutJoinAgain() {
        let text = "https://user@[::1]:8443/a/../b;c?d=e?f#g#h"
        for start in text.indices {
            for end in text[start...].indices {
                let part = String(text[start..<end])
                #expect(URIReference(parsing: part).text == part)
                _ = URIReference(parsing: part).resolved(against: base)
            }
        }
    }
}
