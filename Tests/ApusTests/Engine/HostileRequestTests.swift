import Apus
import Loopback
import Testing

/// FAULTS section 2.3: what an untrusted party may put into a forwarded request.
@Suite(.timeLimit(.minutes(5))) struct HostileRequestTests {
    /// Where a request is changed, and the field that the refusal names.
    enum Place: String, CaseIterable, Sendable {
        case path, authority, upgrade, trailer, trailerValue

        /// Blanks and what is not ASCII belong into a value; of CR, LF and NUL the field itself
        /// makes blanks, so that none of them ever comes here.
        func refuses(_ text: String) -> Bool {
            self != .trailerValue || ["\u{1}", "\u{7F}"].contains(text)
        }

        func put(
            _ text: String, into request: inout HTTPRequest, _ options: inout RequestOptions,
            _ body: inout RequestBody
        ) {
            switch self {
            case .path: request.path = "/a\(text)b"
            case .authority: request.authority = "localhost\(text):80"
            case .upgrade: options.upgrade = "echo\(text)"
            case .trailer:
                var fields = HTTPFields()
                // What a trailer may not be: a framing field.
                for name in ["Content-Length", "Transfer-Encoding", "Host"] {
                    if let name = HTTPField.Name(name) { fields[name] = text }
                }
                let trailers = fields
                body = .stream { Pieces([Bytes("x")]) }.withTrailers { trailers }
            case .trailerValue:
                // As it comes, where the other initializer would refuse it.
                var fields = HTTPFields()
                if let name = HTTPField.Name("X-Sum") {
                    fields.append(HTTPField(name: name, lenientValue: Array("a\(text)b".utf8)))
                }
                let trailers = fields
                body = .stream { Pieces([Bytes("x")]) }.withTrailers { trailers }
            }
        }
    }

    static let texts = [
        "\r\n", "\n", "\r", "\0", " HTTP/1.1\r\nHost: evil\r\n\r\n", "\r\nX-Injected: 1", "\u{1}",
        "\u{7F}", "\t", " ", "\u{E9}", "\u{2028}", "\u{85}",
    ]

    @Test(
        "row 100, 2.3: what could split a request is refused before a byte of it leaves",
        arguments: [ProtocolVariant.http1, .http2PriorKnowledge], Place.allCases)
    func injections(_ variant: ProtocolVariant, _ place: Place) async throws {
        // An upgrade is HTTP/1.1's.
        guard place != .upgrade || variant == .http1 else { return }
        try await withStand(variant) { stand in
            for text in Self.texts where place.refuses(text) {
                var request = try HTTPRequest.post(stand.url("/headers"))
                var options = RequestOptions()
                var body = RequestBody.empty
                place.put(text, into: &request, &options, &body)
                let hostile = (request, options, body)
                let error = await transportError {
                    _ = try await stand.client.send(
                        hostile.0, body: hostile.2, options: hostile.1
                    ).body.collect(upTo: 1 << 16)
                }
                #expect(error?.kind.name == "invalidRequest", "\(text.debugDescription)")
            }
            if ![.trailer, .trailerValue].contains(place) {
                #expect(stand.server.counters.requests == 0)
            }
            // And the next one is served.
            let response = try await stand.get("/headers")
            let head = String(try await response.body.collect(upTo: 1 << 16)).lowercased()
            #expect(!head.contains("evil") && !head.contains("injected"))
        }
    }

    /// A field's value cannot be made with a line's end in it: it goes out as a blank.
    @Test(
        "row 100, 2.3: a field stays one field",
        arguments: [ProtocolVariant.http1, .http2PriorKnowledge],
        ["a\r\nX-Injected: 1", "a\nb", "a\0b"])
    func fieldValues(_ variant: ProtocolVariant, _ value: String) async throws {
        try await withStand(variant) { stand in
            var request = try HTTPRequest.get(stand.url("/headers"))
            let name = try #require(HTTPField.Name("X-Passed"))
            request.headerFields[name] = value
            let response = try await stand.client.send(request)
            let lines = String(try await response.body.collect(upTo: 1 << 16))
                .split(whereSeparator: \.isNewline).map { $0.lowercased() }
            #expect(lines.count { $0.hasPrefix("x-passed:") } == 1)
            #expect(!lines.contains { $0.hasPrefix("x-injected") || $0 == "b" })
        }
    }

    @Test(
        "2.3: CONNECT and TRACE go out only when they are allowed",
        arguments: [HTTPRequest.Method.connect, .trace])
    func methodsThatNeedLeave(_ method: HTTPRequest.Method) async throws {
        try await withFaultStand([]) { stand in
            let head = HTTPRequest(
                method: method, scheme: "http", authority: "127.0.0.1:\(stand.peer.port)",
                path: method == .connect ? nil : "/")
            let error = await transportError { _ = try await stand.engine.send(head) }
            guard case .invalidRequest(let invalid)? = error?.kind else {
                Issue.record("not refused: \(String(describing: error))")
                return
            }
            #expect(invalid.field == "method")
            #expect(invalid.reason.contains("allowsConnectAndTrace"))
            #expect(stand.engine.snapshot().counters.dials == 0)
        }
    }

    @Test("2.3: TRACE carries no content")
    func aTraceHasNoBody() async throws {
        try await withFaultStand([]) { stand in
            var options = RequestOptions()
            options.allowsConnectAndTrace = true
            let allowed = options
            let error = await transportError {
                _ = try await stand.engine.send(
                    stand.request(.trace), body: .bytes(Bytes("x")), options: allowed)
            }
            #expect(error?.kind.name == "invalidRequest")
            #expect(stand.engine.snapshot().counters.dials == 0)
        }
    }

    @Test("2.3: a TRACE that is allowed goes out")
    func aTraceGoesOut() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        try await withFaultStand([[.expectHead, .sendText(answer), .silence]]) { stand in
            var options = RequestOptions()
            options.allowsConnectAndTrace = true
            let response = try await stand.engine.send(stand.request(.trace), options: options)
            #expect(response.status == .ok)
            #expect(stand.peer.transcript(0).text.hasPrefix("TRACE "))
        }
    }
}
