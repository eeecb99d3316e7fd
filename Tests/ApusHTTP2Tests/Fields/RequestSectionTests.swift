import ApusCore
import ApusHTTP2
import HTTPTypes
import Testing

/// A request as the caller made it, and as the server must see it.
struct Mapping: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let request: HTTPRequest
    let seen: [String]

    init(_ name: String, _ fields: HTTPFields, _ seen: [String]) {
        testDescription = name
        request = HTTPRequest(
            method: .get, scheme: "https", authority: "example.com", path: "/a?b",
            headerFields: fields)
        self.seen =
            [":method: GET", ":scheme: https", ":authority: example.com", ":path: /a?b"] + seen
    }

    init(_ name: String, _ request: HTTPRequest, _ seen: [String]) {
        testDescription = name
        self.request = request
        self.seen = seen
    }
}

private func name(_ text: String) -> HTTPField.Name {
    HTTPField.Name(known: text)
}

private let mappings = [
    Mapping("no fields", [:], []),
    Mapping(
        "names become lower case and keep their order",
        [name("X-B"): "2", name("X-A"): "1", name("x-b"): "3"], ["x-b: 2", "x-a: 1", "x-b: 3"]),
    Mapping(
        "the fields of one HTTP/1 connection are left out",
        [
            name("Keep-Alive"): "5", name("Proxy-Connection"): "x", .transferEncoding: "chunked",
            .upgrade: "h2c", .accept: "*/*",
        ], ["accept: */*"]),
    Mapping(
        "Connection takes the fields it names with it",
        [.connection: "close, X-Hop ", name("x-hop"): "1", .accept: "*/*"], ["accept: */*"]),
    Mapping(
        "te: trailers is kept, as HTTP/1 has to name it in Connection",
        [.connection: "te", .te: "Trailers"], ["te: Trailers"]),
    Mapping("any other te is dropped", [.te: "gzip"], []),
    Mapping(
        "a Host of the caller's own becomes :authority",
        HTTPRequest(
            method: .get, scheme: "https", authority: "example.com", path: "/",
            headerFields: [name("Host"): "other.example"]),
        [":method: GET", ":scheme: https", ":authority: other.example", ":path: /"]),
    Mapping(
        "cookies are split, and so are several of them",
        [.cookie: "a=1; b=2;c=3", name("Cookie"): "d=4"],
        ["cookie: a=1", "cookie: b=2;c=3", "cookie: d=4"]),
    Mapping(
        "every crumb is kept, the empty ones too, so that the peer joins them to the same bytes",
        [.cookie: "; a=1; ; b", name("cookie"): ";"],
        ["cookie: ", "cookie: a=1", "cookie: ", "cookie: b", "cookie: ;"]),
    Mapping(
        "an empty Cookie beside others adds nothing to them",
        [.cookie: "", name("Cookie"): "c=d", name("cookie"): ""], ["cookie: c=d"]),
    Mapping("an empty Cookie of its own goes out", [.cookie: ""], ["cookie: "]),
    Mapping(
        "what is for a proxy is for no origin",
        [
            .proxyAuthorization: "Basic c2VjcmV0", .proxyAuthenticate: "Basic",
            name("Proxy-Authentication-Info"): "x", name("Proxy-Connection"): "x", .accept: "*/*",
        ], ["accept: */*"]),
    Mapping(
        "a proxy that is asked for a tunnel hears who asks",
        HTTPRequest(
            method: .connect, scheme: nil, authority: "a.example:443", path: nil,
            headerFields: [.proxyAuthorization: "Basic eA==", name("Proxy-Connection"): "x"]),
        [":method: CONNECT", ":authority: a.example:443", "proxy-authorization: Basic eA=="]),
    Mapping("an empty value is a value", [name("x-empty"): ""], ["x-empty: "]),
    Mapping(
        "Host serves when there is no authority",
        HTTPRequest(
            method: .get, scheme: "https", authority: nil, path: "/",
            headerFields: [name("Host"): "h.example"]),
        [":method: GET", ":scheme: https", ":authority: h.example", ":path: /"]),
    Mapping(
        "CONNECT has neither scheme nor path",
        HTTPRequest(method: .connect, scheme: "https", authority: "a.example:443", path: "/"),
        [":method: CONNECT", ":authority: a.example:443"]),
    Mapping(
        "OPTIONS for the server",
        HTTPRequest(method: .options, scheme: "http", authority: "a", path: "*"),
        [":method: OPTIONS", ":scheme: http", ":authority: a", ":path: *"]),
]

/// A request that must be refused, and the part to blame.
struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let request: HTTPRequest

    init(_ part: String, scheme: String? = "https", authority: String? = "a", path: String? = "/") {
        testDescription = part
        request = HTTPRequest(method: .get, scheme: scheme, authority: authority, path: path)
    }
}

private let refusals = [
    Refusal("authority", authority: nil), Refusal("authority", authority: ""),
    Refusal("authority", authority: "u@a"), Refusal("authority", authority: "a/b"),
    Refusal("authority", authority: "a b"), Refusal("authority", authority: "ä"),
    Refusal("scheme", scheme: nil), Refusal("scheme", scheme: ""), Refusal("path", path: nil),
    Refusal("path", path: ""), Refusal("path", path: "/a b"),
    Refusal("path", path: "/é"),
]

@Suite struct RequestSectionTests {
    @Test(arguments: mappings)
    func eachRequestArrivesAsHTTP2WantsIt(_ mapping: Mapping) throws {
        let pair = try Pair()
        let stream = try pair.client.submit(mapping.request, hasBody: false)
        pair.exchange()
        #expect(pair.server.requests[stream]?.fields == mapping.seen)
        #expect(pair.server.requests[stream]?.isComplete == true)
    }

    @Test func cookiesAreSplitByTheirBytes() throws {
        let pair = try Pair()
        let value: [UInt8] = [0x61, 0x3D, 0xFF, 0x3B, 0x20, 0xC3, 0x28]
        var request = HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/")
        request.headerFields.append(HTTPField(name: .cookie, value: value))
        let stream = try pair.client.submit(request, hasBody: false)
        pair.exchange()
        #expect(pair.server.requests[stream]?.cookies == [[0x61, 0x3D, 0xFF], [0xC3, 0x28]])
    }

    @Test func whatIsForAProxyIsNoTrailerEither() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        _ = harness.takeSent()
        try harness.session.finish(trailers: [.proxyAuthorization: "x"], on: stream)
        harness.pump()
        #expect(harness.sent.last?.description == "HEADERS 1 end")
        #expect(harness.sent.last?.payload.isEmpty == true)
    }

    @Test(arguments: refusals)
    func eachUnfitRequestIsRefusedByItsPart(_ refusal: Refusal) throws {
        let harness = try Harness()
        do throws(HTTP2Error) {
            _ = try harness.session.submit(refusal.request, hasBody: false)
            Issue.record("was taken")
        } catch {
            guard case .invalidRequest(let request) = error.kind else {
                Issue.record("\(error)")
                return
            }
            #expect(request.field == refusal.testDescription)
        }
        #expect(harness.session.openStreams == 0)
        #expect(!harness.session.wantsOutput)
    }

    @Test func extendedConnectNeedsThePeersSetting() throws {
        var request = HTTPRequest(method: .connect, scheme: "https", authority: "a", path: "/ws")
        request.extendedConnectProtocol = "websocket"
        let without = try Harness()
        #expect(throws: HTTP2Error.self) { try without.session.submit(request, hasBody: true) }
        let with = try Harness(settings: [(8, 1)])
        #expect(try with.session.submit(request, hasBody: true) == 1)
    }

    @Test(arguments: [(300, true), (301, false)])
    func thePeersBoundOnFieldsIsKept(size: Int, isTaken: Bool) throws {
        let harness = try Harness(settings: [(6, 300)])
        // :method GET, :scheme https, :authority a and :path / make 42 + 45 * 3 and some.
        let base = (7 + 3) + (7 + 5) + (10 + 1) + (5 + 1) + 4 * 32
        let value = String(repeating: "v", count: size - base - 33)
        let request = HTTPRequest(
            method: .get, scheme: "https", authority: "a", path: "/",
            headerFields: [name("x"): value])
        if isTaken {
            #expect(try harness.session.submit(request, hasBody: false) == 1)
        } else {
            let error = #expect(throws: HTTP2Error.self) {
                try harness.session.submit(request, hasBody: false)
            }
            #expect(error?.kind == .tooLarge)
        }
    }

    @Test(arguments: [
        (HTTPField.DynamicTableIndexingStrategy.automatic, false), (.avoid, true),
        (.disallow, true),
    ])
    func aFieldKeptOutOfTheTableIsSpeltEachTime(
        strategy: HTTPField.DynamicTableIndexingStrategy, isSpelt: Bool
    ) throws {
        let harness = try Harness()
        var field = HTTPField(name: name("x-key"), value: String(repeating: "k", count: 100))
        field.indexingStrategy = strategy
        var request = HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/")
        request.headerFields.append(field)
        for _ in 0..<2 { _ = try harness.session.submit(request, hasBody: false) }
        harness.pump()
        let second = try #require(harness.sent.last)
        #expect((second.payload.count > 50) == isSpelt)
    }

    @Test func aHeadOfManyFramesArrivesWhole() throws {
        let pair = try Pair()
        let value = String(repeating: "~", count: 60_000)
        var request = HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/")
        request.headerFields = [name("x-long"): value]
        let stream = try pair.client.submit(request, hasBody: false)
        // The limit falls amid the section, which must not be cut.
        var output: [UInt8] = []
        _ = try pair.client.nextOutput(into: &output, limit: 100)
        let frames = Wire.frames(output).map(\.description)
        #expect(frames.first == "HEADERS 1 end")
        #expect(frames.count > 2)
        #expect(frames.dropFirst().allSatisfy { $0 == "CONTINUATION 1" })
        _ = pair.server.receive(output)
        #expect(pair.server.requests[stream]?.fields.last == "x-long: \(value)")
    }
}
