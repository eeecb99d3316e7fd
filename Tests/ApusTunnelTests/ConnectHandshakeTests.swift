import ApusCore
import ApusTunnel
import HTTPTypes
import Testing

/// What a proxy answers, and what must come of it.
private struct Answer: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let text: String
    let outcome: String
    /// The proxy closes the connection after its answer.
    var isClosed = false
    var body: String?

    init(
        _ name: String, _ text: String, _ outcome: String, isClosed: Bool = false,
        body: String? = nil
    ) {
        testDescription = name
        self.text = text
        self.outcome = outcome
        self.isClosed = isClosed
        self.body = body
    }
}

/// CONNECT: the exact request, and every kind of answer, whole and byte by byte.
@Suite("section 2.4: CONNECT") struct ConnectHandshakeTests {
    // MARK: What is sent

    @Test(arguments: [
        ("https://example.com", "example.com:443"), ("http://example.com", "example.com:80"),
        ("https://example.com:8443", "example.com:8443"), ("https://[::1]", "[::1]:443"),
        ("https://127.0.0.1:1", "127.0.0.1:1"),
    ])
    func theRequestNamesHostAndPortInBothPlaces(url: String, target: String) throws {
        let script = try TunnelScript(try handshake(to: url))
        let expected = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n\r\n"
        #expect(String(Bytes(script.sent)) == expected)
    }

    @Test func credentialsGoOutAsOneField() throws {
        let credentials = try ProxyCredentials(user: "Aladdin", password: "open sesame")
        let script = try TunnelScript(try handshake(credentials: credentials))
        #expect(
            String(Bytes(script.sent))
                == "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n"
                + "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")
    }

    @Test func nothingMoreIsSentWhateverTheProxySays() throws {
        for answer in established + refusals + faults {
            var script = try TunnelScript(try handshake())
            let request = script.sent
            script.receive(Array(answer.text.utf8))
            #expect(script.sent == request, "\(answer.testDescription)")
        }
    }

    // MARK: What comes back

    @Test(arguments: established + refusals + faults)
    fileprivate func eachAnswerComesOutTheSameWholeAndByteByByte(_ answer: Answer) throws {
        for step in steps {
            var script = try TunnelScript(try handshake())
            script.receive(Array(answer.text.utf8), step: step)
            if answer.isClosed { script.end() }
            #expect(script.outcome.name == answer.outcome, "step \(step): \(script.outcome)")
            guard let body = answer.body else { continue }
            #expect(refusal(script)?.body == Bytes(body), "step \(step)")
        }
    }

    @Test func bytesAfterTheHeadBelongToTheTunnel() throws {
        let early: [UInt8] = [0x16, 0x03, 0x01, 0x0D, 0x0A, 0x00]
        for step in steps {
            var script = try TunnelScript(try handshake())
            script.receive(Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + early, step: step)
            #expect(script.outcome == .established(early: early), "step \(step)")
        }
    }

    @Test func aRefusalCarriesStatusFieldsAndBody() throws {
        var script = try TunnelScript(try handshake())
        let head = "HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic realm=\"a\"\r\n"
        script.receive(Array((head + "Content-Length: 4\r\n\r\nbody").utf8))
        let answer = try #require(refusal(script))
        #expect(answer.status == 407)
        #expect(answer.fields[.proxyAuthenticate] == "Basic realm=\"a\"")
        #expect(answer.body == Bytes("body"))
    }

    // MARK: Bounds

    @Test(arguments: [
        "Content-Length: 4000\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\nfa0\r\n",
    ])
    func aRefusalsBodyIsCutAtTheBound(framing: String) throws {
        for (step, bound) in zip(steps, [100, 7, 1]) {
            var limits = EngineTuning.Limits()
            limits.proxyErrorBodyBytes = bound
            var script = try TunnelScript(try handshake(limits: limits))
            script.receive(Array("HTTP/1.1 502 Bad\r\n\(framing)".utf8), step: step)
            script.receive([UInt8](repeating: 0x78, count: bound - 1), step: step)
            #expect(script.outcome == .needsBytes)
            script.receive([UInt8](repeating: 0x78, count: 500), step: step)
            let answer = try #require(refusal(script), "step \(step)")
            #expect(answer.body.count == bound)
            #expect(answer.body.allSatisfy { $0 == 0x78 })
        }
    }

    @Test func aHeadBeyondTheBoundIsTooLarge() throws {
        var limits = EngineTuning.Limits()
        limits.headBytes = 1024
        let field = "X: " + String(repeating: "a", count: 1024)
        for text in ["HTTP/1.1 200 OK\r\n\(field)\r\n\r\n", "HTTP/1.1 200 OK\r\n\(field)"] {
            for step in steps {
                var script = try TunnelScript(try handshake(limits: limits))
                script.receive(Array(text.utf8), step: step)
                #expect(script.outcome.name == "tooLarge", "step \(step)")
            }
        }
    }

    @Test func tooManyFieldsAreTooLarge() throws {
        var limits = EngineTuning.Limits()
        limits.headFields = 2
        for (count, outcome) in [(2, "established 0"), (3, "tooLarge")] {
            var script = try TunnelScript(try handshake(limits: limits))
            let fields = String(repeating: "A: b\r\n", count: count)
            script.receive(Array("HTTP/1.1 200 OK\r\n\(fields)\r\n".utf8))
            #expect(script.outcome.name == outcome)
        }
    }

    @Test func informationalAnswersAreCounted() throws {
        var limits = EngineTuning.Limits()
        limits.informationalResponses = 2
        for (count, outcome) in [(2, "established 0"), (3, "tooLarge")] {
            var script = try TunnelScript(try handshake(limits: limits))
            let interim = String(repeating: "HTTP/1.1 102 Wait\r\n\r\n", count: count)
            script.receive(Array((interim + "HTTP/1.1 200 OK\r\n\r\n").utf8))
            #expect(script.outcome.name == outcome)
        }
    }

    @Test func aBoundOfZeroKeepsNoBodyAndWaitsForNone() throws {
        var limits = EngineTuning.Limits()
        limits.proxyErrorBodyBytes = 0
        var script = try TunnelScript(try handshake(limits: limits))
        script.receive(Array("HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\n".utf8))
        #expect(refusal(script)?.status == 407)
        #expect(refusal(script)?.body.isEmpty == true)
    }

    // MARK: Secrets

    @Test func noDescriptionHoldsCredentials() throws {
        let credentials = try ProxyCredentials(user: "Aladdin", password: "open sesame")
        let handshake = try handshake(credentials: credentials)
        var dumped = ""
        dump(handshake, to: &dumped)
        for text in ["\(handshake)", String(reflecting: handshake), dumped] {
            #expect(!text.contains("QWxhZGRpbjpvcGVuIHNlc2FtZQ"))
            #expect(!text.contains("sesame"))
        }
    }

    // MARK: Parts

    private func handshake(
        to url: String = "https://example.com", credentials: ProxyCredentials? = nil,
        limits: EngineTuning.Limits = .init()
    ) throws -> TunnelHandshake {
        TunnelHandshake.connect(
            to: try RequestURL(parsing: url).origin.hostAndPort,
            fields: credentials.map { [.proxyAuthorization: $0.basicAuthorization] } ?? [:],
            limits: limits)
    }

    private func refusal(_ script: TunnelScript) -> TransportError.ProxyAnswer? {
        guard case .failed(.refused(let answer)) = script.outcome else { return nil }
        return answer
    }
}

private let ok = "HTTP/1.1 200 OK\r\n"

private let established = [
    Answer("200", "\(ok)\r\n", "established 0"),
    Answer("200 without a reason", "HTTP/1.1 200 \r\n\r\n", "established 0"),
    Answer("HTTP/1.0", "HTTP/1.0 200 Connection established\r\n\r\n", "established 0"),
    Answer("201", "HTTP/1.1 201 Made\r\n\r\n", "established 0"),
    Answer("204", "HTTP/1.1 204 None\r\n\r\n", "established 0"),
    Answer("299", "HTTP/1.1 299 Odd\r\n\r\n", "established 0"),
    Answer("fields", "\(ok)Via: a\r\nConnection: close\r\n\r\n", "established 0"),
    Answer("Content-Length means nothing", "\(ok)Content-Length: 5\r\n\r\nhello", "established 5"),
    Answer(
        "Transfer-Encoding means nothing",
        "\(ok)Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "established 15"),
    Answer(
        "both together mean nothing",
        "\(ok)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", "established 1"),
    Answer("100 before", "HTTP/1.1 100 Continue\r\n\r\n\(ok)\r\n", "established 0"),
    Answer(
        "two interim answers before",
        "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n\(ok)\r\nxy", "established 2"
    ),
]

private let refusals = [
    Answer(
        "407 without a body", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "refused 407",
        body: ""),
    Answer(
        "407 with a body", "HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nabc", "refused 407",
        body: "abc"),
    Answer(
        "407 that closes", "HTTP/1.1 407 No\r\nConnection: close\r\n\r\nabc", "refused 407",
        isClosed: true, body: "abc"),
    Answer(
        "403 with a page", "HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n<p>no</p>",
        "refused 403", isClosed: true, body: "<p>no</p>"),
    Answer(
        "502 in chunks",
        "HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "refused 502", body: "abcde"),
    Answer(
        "502 in chunks with trailers",
        "HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "refused 502", body: "abc"),
    Answer(
        "304 has no body", "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", "refused 304", body: ""
    ),
    Answer(
        "302 is no tunnel", "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n", "refused 302",
        body: ""),
    Answer(
        "a body cut short is kept as far as it came",
        "HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\nabc", "refused 407", isClosed: true,
        body: "abc"),
    Answer(
        "chunks cut short are kept as far as they came",
        "HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "refused 502",
        isClosed: true, body: "abc"),
    Answer(
        "a broken chunk does not hide the refusal",
        "HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n", "refused 502",
        body: "abc"),
    Answer(
        "an interim answer before a refusal",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Bad\r\nContent-Length: 1\r\n\r\nx",
        "refused 500", body: "x"),
    Answer(
        "a body that has not ended", "HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\nabc", "needsBytes"
    ),
]

private let faults = [
    Answer("nothing at all", "", "closed", isClosed: true),
    Answer("half a head", "HTTP/1.1 200 OK\r\nVia", "closed", isClosed: true),
    Answer("a head without its empty line", ok, "closed", isClosed: true),
    Answer("only an interim answer", "HTTP/1.1 100 Continue\r\n\r\n", "closed", isClosed: true),
    Answer("half a head, still open", ok, "needsBytes"),
    Answer("another protocol", "SSH-2.0-OpenSSH_9.9\r\n", "malformed"),
    Answer("a SOCKS answer", "\u{5}\u{0}", "malformed"),
    Answer("a TLS record", "\u{16}\u{3}\u{1}", "malformed"),
    Answer(
        "101 is no tunnel", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n", "malformed"),
    Answer("an empty line first", "\r\n\(ok)\r\n", "malformed"),
    Answer("HTTP/2", "HTTP/2 200 OK\r\n\r\n", "malformed"),
    Answer("no status", "HTTP/1.1 OK\r\n\r\n", "malformed"),
    Answer("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "malformed"),
    Answer("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "malformed"),
    Answer("a bare line feed", "HTTP/1.1 200 OK\n\n", "malformed"),
    Answer("a NUL in a field", "\(ok)A: b\u{0}c\r\n\r\n", "malformed"),
    Answer("a blank before a colon", "\(ok)A : b\r\n\r\n", "malformed"),
    Answer("a folded field", "\(ok)A: b\r\n c\r\n\r\n", "malformed"),
    Answer("a line without a colon", "\(ok)abc\r\n\r\n", "malformed"),
    Answer(
        "a refusal framed in two ways",
        "HTTP/1.1 502 Bad\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed"),
]
