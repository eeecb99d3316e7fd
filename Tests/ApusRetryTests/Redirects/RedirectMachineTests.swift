import Apus
import ApusRetry
import Testing

/// What follows each answer of a chain of redirects.
@Suite struct RedirectMachineTests {
    private typealias Decision = RedirectMachine.Decision

    private func answer(_ status: Int, _ locations: String...) -> HTTPResponse {
        var head = HTTPResponse(status: .init(code: status))
        for location in locations {
            head.headerFields.append(HTTPField(name: .location, value: location))
        }
        return head
    }

    private func machine(
        _ method: HTTPRequest.Method = .get, _ url: String = "https://a.example/x/y?q",
        fields: HTTPFields = [:], rules: RedirectRules = RedirectRules()
    ) throws -> RedirectMachine {
        try #require(RedirectMachine(HTTPRequest(method, url: url, fields: fields), rules: rules))
    }

    private func hop(_ decision: Decision) throws -> RedirectMachine.Hop {
        guard case .follow(let hop) = decision else {
            Issue.record("\(decision)")
            throw CancellationError()
        }
        return hop
    }

    /// Method and body for each status (RFC 9110, section 15.4; the Fetch standard).
    @Test(arguments: [
        (301, "GET", "GET", true), (301, "HEAD", "HEAD", true), (301, "POST", "GET", false),
        (301, "PUT", "PUT", true), (301, "DELETE", "DELETE", true),
        (302, "GET", "GET", true), (302, "HEAD", "HEAD", true), (302, "POST", "GET", false),
        (302, "PATCH", "PATCH", true), (303, "GET", "GET", true), (303, "HEAD", "HEAD", true),
        (303, "POST", "GET", false), (303, "PUT", "GET", false), (303, "DELETE", "GET", false),
        (307, "POST", "POST", true), (307, "PUT", "PUT", true), (307, "GET", "GET", true),
        (308, "POST", "POST", true), (308, "PATCH", "PATCH", true), (308, "HEAD", "HEAD", true),
    ])
    func theMethodIsKeptOrBecomesGet(
        status: Int, method: String, next: String, hasBody: Bool
    ) throws {
        let method = try #require(HTTPRequest.Method(method))
        let fields: HTTPFields = [
            .contentType: "text/plain", .contentLength: "3", .contentEncoding: "gzip",
            .contentLanguage: "en", .expect: "100-continue", .accept: "*/*",
        ]
        var machine = try machine(method, fields: fields)
        let hop = try hop(machine.answered(answer(status, "/z"), isReplayable: true))
        #expect(hop.request.method.rawValue == next)
        #expect(hop.hasBody == hasBody)
        #expect(hop.isSameOrigin)
        #expect(hop.request.path == "/z")
        #expect(hop.request.headerFields[.accept] == "*/*")
        let names: [HTTPField.Name] = [
            .contentType, .contentLength, .contentEncoding, .contentLanguage, .expect,
        ]
        for name in names { #expect((hop.request.headerFields[name] != nil) == hasBody) }
    }

    @Test(arguments: [200, 204, 300, 304, 305, 306, 309, 401, 404, 503])
    func otherStatusesAreDelivered(status: Int) throws {
        var machine = try machine()
        #expect(machine.answered(answer(status, "/z"), isReplayable: true) == .deliver)
    }

    @Test func anAnswerWithoutLocationIsDelivered() throws {
        var machine = try machine()
        #expect(machine.answered(answer(302), isReplayable: true) == .deliver)
    }

    /// The target in each form of a reference.
    @Test(arguments: [
        ("/z", "https", "a.example", "/z"), ("z", "https", "a.example", "/x/z"),
        ("../z?r", "https", "a.example", "/z?r"), ("?r", "https", "a.example", "/x/y?r"),
        ("//b.example", "https", "b.example", "/"),
        ("https://b.example?r", "https", "b.example", "/?r"),
        ("HTTPS://B.Example:443/z", "https", "b.example", "/z"),
        ("https://b.example:8443/z", "https", "b.example:8443", "/z"),
        ("https://[2001:DB8::1]/z", "https", "[2001:db8::1]", "/z"),
        ("https://127.1/z", "https", "127.0.0.1", "/z"),
        ("/a b\u{e9}", "https", "a.example", "/a%20b%C3%A9"),
        ("/a%20b", "https", "a.example", "/a%20b"),
        // A backslash is no slash, so that it cannot name a host.
        ("\\\\b.example", "https", "a.example", "/x/\\\\b.example"),
    ])
    func theTargetIsResolved(
        location: String, scheme: String, authority: String, path: String
    ) throws {
        var machine = try machine()
        let hop = try hop(machine.answered(answer(302, location), isReplayable: true))
        #expect(hop.request.scheme == scheme)
        #expect(hop.request.authority == authority)
        #expect(hop.request.path == path)
    }

    @Test(arguments: [
        ("ftp://a.example/", RedirectFault.scheme), ("file:///etc/passwd", .scheme),
        ("javascript:alert(1)", .scheme), ("data:,x", .scheme), ("ws://a.example/", .scheme),
        ("https://user:secret@a.example/", .userInformation),
        ("//user@b.example/", .userInformation),
        ("https://@b.example/", .userInformation),
        ("https:///z", .malformed), ("https:z", .malformed), ("//", .malformed),
        ("https://b.example:0/", .malformed), ("https://b.example:65536/", .malformed),
        ("https://b..example/", .malformed), ("https://[::1/", .malformed),
        ("https://b c/", .malformed), ("https://b\u{e9}/", .malformed),
        ("https://b.example\\@c.example/", .userInformation),
        ("http://a.example/", .insecure), ("http://b.example/", .insecure),
        ("", .loop), ("#f", .loop), ("/x/y?q", .loop), ("https://A.example:443/x/./y?q", .loop),
    ])
    func whatMustNotBeFollowedIsRefused(location: String, fault: RedirectFault) throws {
        var machine = try machine()
        #expect(machine.answered(answer(302, location), isReplayable: true) == .refuse(fault))
    }

    @Test func severalLocationsMustAgree() throws {
        var machine = try machine()
        #expect(
            machine.answered(answer(302, "/a", "/b"), isReplayable: true) == .refuse(.malformed))
        #expect(
            try hop(machine.answered(answer(302, "/a", "/a"), isReplayable: true)).request.path
                == "/a")
    }

    @Test func credentialsAreDroppedAcrossOrigins() throws {
        let fields: HTTPFields = [
            .authorization: "Bearer secret", .proxyAuthorization: "Basic secret",
            .cookie: "a=b", HTTPField.Name(known: "x-api-key"): "secret", .accept: "*/*",
            .userAgent: "apus", HTTPField.Name(known: "Host"): "a.example",
        ]
        for location in ["https://b.example/", "https://a.example:8443/"] {
            var machine = try machine(fields: fields)
            let hop = try hop(machine.answered(answer(307, location), isReplayable: true))
            #expect(!hop.isSameOrigin)
            #expect(hop.request.headerFields.map(\.name) == [.accept, .userAgent])
        }
        var same = try machine(fields: fields)
        let hop = try hop(
            same.answered(answer(307, "https://A.EXAMPLE:443/z"), isReplayable: true))
        #expect(hop.isSameOrigin)
        #expect(hop.request.headerFields == fields)
    }

    /// A chain that comes back does not get its credentials back.
    @Test func credentialsStayDropped() throws {
        var machine = try machine(fields: [.authorization: "Bearer secret"])
        _ = machine.answered(answer(302, "https://b.example/"), isReplayable: true)
        let hop = try hop(
            machine.answered(answer(302, "https://a.example/z"), isReplayable: true))
        #expect(hop.request.headerFields.isEmpty)
    }

    @Test func anUpgradeToHTTPSIsAnotherOrigin() throws {
        var machine = try machine(
            .get, "http://a.example/", fields: [.authorization: "Bearer secret"])
        let hop = try hop(machine.answered(answer(301, "https://a.example/"), isReplayable: true))
        #expect(!hop.isSameOrigin)
        #expect(hop.request.scheme == "https")
        #expect(hop.request.headerFields.isEmpty)
    }

    @Test func anInsecureTargetIsFollowedOnlyWhenAllowed() throws {
        var rules = RedirectRules()
        rules.allowsInsecure = true
        var machine = try machine(fields: [.referer: "https://a.example/secret"], rules: rules)
        let hop = try hop(machine.answered(answer(302, "http://a.example/"), isReplayable: true))
        #expect(hop.request.scheme == "http")
        #expect(hop.request.headerFields[.referer] == nil)
    }

    /// A body that cannot be made again is never repeated; where it is dropped, that is no matter.
    @Test(arguments: [(301, true), (302, true), (303, true), (307, false), (308, false)])
    func aBodyThatCannotBeRepeated(status: Int, isFollowed: Bool) throws {
        var machine = try machine(.post)
        let decision = machine.answered(answer(status, "/z"), isReplayable: false)
        #expect((decision != .deliver) == isFollowed)
        guard isFollowed else { return }
        #expect(try hop(decision).request.method == .get)
        // The body is gone, so it is no obstacle any more.
        #expect(try hop(machine.answered(answer(307, "/w"), isReplayable: false)).hasBody == false)
    }

    @Test func theLimitIsTheNumberOfRedirects() throws {
        var rules = RedirectRules()
        rules.limit = 2
        var machine = try machine(rules: rules)
        _ = try hop(machine.answered(answer(302, "/1"), isReplayable: true))
        _ = try hop(machine.answered(answer(302, "/2"), isReplayable: true))
        #expect(machine.answered(answer(302, "/3"), isReplayable: true) == .refuse(.tooMany))
        rules.limit = 0
        var none = try self.machine(rules: rules)
        #expect(none.answered(answer(302, "/1"), isReplayable: true) == .refuse(.tooMany))
    }

    @Test func aLoopOverSeveralRequestsIsFound() throws {
        var machine = try machine()
        _ = try hop(machine.answered(answer(302, "https://b.example/1"), isReplayable: true))
        _ = try hop(machine.answered(answer(302, "https://b.example/2"), isReplayable: true))
        #expect(
            machine.answered(answer(302, "https://a.example/x/y?q#f"), isReplayable: true)
                == .refuse(.loop))
    }

    /// POST to a page that redirects to itself as GET is how forms work.
    @Test func theSameURLWithAnotherMethodIsNoLoop() throws {
        var machine = try machine(.post)
        #expect(
            try hop(machine.answered(answer(303, ""), isReplayable: true)).request.method == .get)
        #expect(machine.answered(answer(303, ""), isReplayable: true) == .refuse(.loop))
    }

    /// RFC 9110, section 10.2.2: a target without a fragment inherits it.
    @Test func theFragmentIsInheritedAndNeverSent() throws {
        var machine = try machine()
        let hop = try hop(machine.answered(answer(302, "/1#f"), isReplayable: true))
        #expect(hop.request.path == "/1")
        #expect(machine.url.text == "https://a.example/1#f")
        _ = machine.answered(answer(302, "/2"), isReplayable: true)
        #expect(machine.url.text == "https://a.example/2#f")
        _ = machine.answered(answer(302, "/3#g"), isReplayable: true)
        #expect(machine.url.text == "https://a.example/3#g")
    }

    /// The path of a request is never read as an authority.
    @Test func aPathThatBeginsWithTwoSlashesIsAPath() throws {
        var machine = try machine(.get, "https://a.example//b.example/c?d#e")
        let hop = try hop(machine.answered(answer(302, "z"), isReplayable: true))
        #expect(hop.request.authority == "a.example")
        #expect(hop.request.path == "//b.example/z")
    }

    @Test func aRequestWithoutAURLOfHTTPHasNoChain() throws {
        let rules = RedirectRules()
        let requests = [
            HTTPRequest(method: .get, scheme: nil, authority: "a", path: "/"),
            HTTPRequest(method: .get, scheme: "ftp", authority: "a", path: "/"),
            HTTPRequest(method: .get, scheme: "http", authority: nil, path: "/"),
            HTTPRequest(method: .get, scheme: "http", authority: "a..b", path: "/"),
            HTTPRequest(method: .connect, scheme: "http", authority: "a", path: "/"),
        ]
        for request in requests { #expect(RedirectMachine(request, rules: rules) == nil) }
        let asterisk = HTTPRequest(method: .options, scheme: "HTTP", authority: "a", path: "*")
        #expect(RedirectMachine(asterisk, rules: rules)?.url.text == "http://a/")
    }
}
