import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// FAULTS row 100: whatever could split, smuggle or redirect a request is refused, by its name,
/// before a byte of it is written.
@Suite struct RequestValidatorTests {
    /// Bytes that end or confuse a line.
    static let controls: [UInt8] = [0x00, 0x01, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x1B, 0x1F, 0x7F]

    @Test(arguments: [
        "/a\r\nX: y", "/a\nX: y", "/a\rb", "/a b", "/a\tb", "/a\u{0}b", "/a\u{7F}b", "/ä",
        "/\u{85}",
        "/\u{2028}", "/a HTTP/1.1\r\nHost: evil\r\n\r\nGET /b", "/a#fragment", "", "a", "?q",
        "http://evil.example/", "\\evil", "*",
    ])
    func aPathThatCouldSplitTheRequestIsRefused(path: String) {
        expectRefusal(of: request(.get, path, []), naming: "path")
    }

    @Test(arguments: [
        "/", "//x", "/a?b=c&d=%20", "/a;b=c,d", "/%00%0d%0a", "/a?b?c/", "/~!$&'()*+,;=:@",
    ])
    func anOrdinaryPathIsAccepted(path: String) throws {
        try RequestValidator.validate(request(.get, path, []))
    }

    @Test func theAsteriskBelongsToOptions() throws {
        try RequestValidator.validate(request(.options, "*", []))
        expectRefusal(of: request(.get, "*", []), naming: "path")
        expectRefusal(of: request(.options, "*x", []), naming: "path")
    }

    @Test func aPathIsNeededExceptForConnect() throws {
        expectRefusal(of: request(.get, nil, []), naming: "path")
        try RequestValidator.validate(request(.connect, nil, []))
    }

    @Test(arguments: [
        "a b", "a\r\nX: y", "a\nb", "a\u{0}", "user:secret@a", "a@b", "a/b", "a?b", "a#b", "a\\b",
        "",
        "ä", "a\tb", "a,b", "a\u{7F}",
    ])
    func anAuthorityThatSaysMoreThanAHostIsRefused(authority: String) {
        var request = request(.get, "/", [])
        request.pseudoHeaderFields.authority = lenient(":authority", Array(authority.utf8))
        expectRefusal(of: request, naming: "host")
    }

    @Test(arguments: controls)
    func aControlByteInAValueIsRefused(byte: UInt8) throws {
        // The type itself blanks CR, LF and NUL here, so that only the others reach the validator.
        guard let name = HTTPField.Name("X-Test") else { return }
        let field = HTTPField(name: name, lenientValue: [0x61, byte, 0x62])
        var request = request(.get, "/", [])
        request.headerFields.append(field)
        let isBlanked = byte == 0x00 || byte == 0x0A || byte == 0x0D
        guard !isBlanked else {
            try RequestValidator.validate(request)
            #expect(try encode(request).contains("X-Test: a b\r\n"))
            return
        }
        expectRefusal(of: request, naming: "x-test")
        expectRefusal(additional: [name: "x"], byte: byte)
    }

    @Test func tabsAndBytesBeyondASCIIAreAccepted() throws {
        var request = request(.get, "/", [])
        request.headerFields.append(HTTPField(name: name("A"), value: [0x61, 0x09, 0xFF, 0x62]))
        try RequestValidator.validate(request)
    }

    @Test(
        arguments: [
            ("content-length", [("Content-Length", "5")], RequestFraming.none),
            ("content-length", [("Content-Length", "5")], .length(6)),
            ("content-length", [("Content-Length", "+6")], .length(6)),
            ("content-length", [("Content-Length", "06")], .length(6)),
            ("content-length", [("Content-Length", "6, 6")], .length(6)),
            ("content-length", [("CONTENT-length", "6"), ("content-LENGTH", "6")], .length(6)),
            ("content-length", [("Content-Length", "6")], .chunked),
            (
                "content-length", [("Transfer-Encoding", "chunked"), ("Content-Length", "6")],
                .chunked
            ),
            ("transfer-encoding", [("Transfer-Encoding", "chunked")], .length(6)),
            ("transfer-encoding", [("transfer-encoding", "chunked")], .none),
            ("transfer-encoding", [("Transfer-Encoding", "gzip, chunked")], .chunked),
            ("transfer-encoding", [("Transfer-Encoding", "identity")], .chunked),
            ("transfer-encoding", [("Transfer-Encoding", "chunked, chunked")], .length(6)),
            ("transfer-encoding", [("Transfer-Encoding", "gzip")], .none),
            ("host", [("Host", "a"), ("host", "a")], .none),
            ("host", [("Host", "a, b")], .none),
            ("host", [("Host", "user@a")], .none),
            ("host", [("Host", "a/b")], .none),
            ("host", [("Host", "")], .none),
        ] as [(String, [(String, String)], RequestFraming)])
    func contradictionsAreRefused(
        field: String, fields: [(String, String)], framing: RequestFraming
    ) {
        expectRefusal(of: request(.post, "/", fields), naming: field, framing: framing)
    }

    @Test(arguments: [TargetForm.absolute, .authority])
    func aHostThatDiffersFromTheTargetIsRefused(target: TargetForm) throws {
        let method: HTTPRequest.Method = target == .authority ? .connect : .get
        let path = target == .authority ? nil : "/"
        let other = request(method, path, [("Host", "evil.example")])
        expectRefusal(of: other, naming: "host", target: target)
        let same = request(method, path, [("Host", "EXAMPLE.com:8080")])
        #expect(try encode(same, target: target).contains("Host: EXAMPLE.com:8080\r\n"))
    }

    @Test func formsThatDoNotFitTheRequestAreRefused() {
        expectRefusal(of: request(.options, "*", []), naming: "path", target: .origin)
        expectRefusal(of: request(.options, "/", []), naming: "path", target: .asterisk)
        expectRefusal(of: request(.get, "/", []), naming: "method", target: .authority)
        var relative = request(.get, "/", [])
        relative.scheme = nil
        expectRefusal(of: relative, naming: "scheme", target: .absolute)
        var nameless = request(.get, "/", [])
        nameless.authority = nil
        expectRefusal(of: nameless, naming: "host")
        nameless.headerFields.append(HTTPField(name: name("Host"), value: "example.com"))
        expectRefusal(of: nameless, naming: "host", target: .absolute)
    }

    @Test(arguments: ["", "a b", "a\r\nX: y", "a,,b", "a, ", "a/b/c", "/", "ä"])
    func aProtocolToUpgradeToIsAToken(protocolName: String) {
        expectRefusal(
            of: request(.get, "/", []), naming: "upgrade", connection: .upgrade(protocolName))
    }

    // MARK: Expectations

    /// A value made without the type's own checks, as far as the type allows.
    private func lenient(_ spelling: String, _ value: [UInt8]) -> HTTPField {
        guard let name = HTTPField.Name(parsed: spelling) else {
            preconditionFailure("\(spelling) is not a name")
        }
        return HTTPField(name: name, lenientValue: value)
    }

    private func encode(
        _ request: HTTPRequest, target: TargetForm = .origin, framing: RequestFraming = .none
    ) throws -> String {
        var output: [UInt8] = []
        try RequestEncoder.appendHead(
            of: request, target: target, framing: framing, connection: .keepAlive, additional: [:],
            to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The request is refused by this name, and nothing was written.
    private func expectRefusal(
        of request: HTTPRequest, naming field: String, target: TargetForm = .origin,
        framing: RequestFraming = .none, connection: ConnectionOption = .keepAlive,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var output: [UInt8] = []
        do throws(InvalidRequest) {
            try RequestEncoder.appendHead(
                of: request, target: target, framing: framing, connection: connection,
                additional: [:], to: &output)
            Issue.record("it was accepted", sourceLocation: sourceLocation)
        } catch {
            #expect(error.field == field, sourceLocation: sourceLocation)
        }
        #expect(output.isEmpty, sourceLocation: sourceLocation)
    }

    /// The hop's own fields are checked like the caller's.
    private func expectRefusal(additional: HTTPFields, byte: UInt8) {
        var additional = additional
        additional.append(HTTPField(name: name("X-Hop"), lenientValue: [byte, 0x61]))
        var output: [UInt8] = []
        #expect(throws: InvalidRequest.self) {
            try RequestEncoder.appendHead(
                of: request(.get, "/", []), target: .origin, framing: .none,
                connection: .keepAlive, additional: additional, to: &output)
        }
        #expect(output.isEmpty)
    }
}
