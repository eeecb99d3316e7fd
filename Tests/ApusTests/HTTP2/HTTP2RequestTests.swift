import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// What a request looks like on HTTP/2, and what is counted of it.
@Suite(.timeLimit(.minutes(5))) struct HTTP2RequestTests {
    private static let checksum = HTTPField.Name(known: "X-Checksum")

    // MARK: Trailers

    /// A body in one of its forms, and how long it is.
    struct BodyForm: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let body: RequestBody
        let count: Int
    }

    static let bodyForms: [BodyForm] = [
        BodyForm(testDescription: "at hand", body: .bytes(Bytes("hello")), count: 5),
        // More than the first window: the trailers wait for the last byte.
        BodyForm(
            testDescription: "in pieces",
            body: .segments([Bytes("he"), Bytes([UInt8](repeating: 0x61, count: 70_000))]),
            count: 70_002),
        BodyForm(testDescription: "empty", body: .empty, count: 0),
        BodyForm(
            testDescription: "streamed", body: .stream { Pieces([Bytes("he"), Bytes("llo")]) },
            count: 5),
        BodyForm(testDescription: "streamed and empty", body: .stream { Pieces([]) }, count: 0),
    ]

    @Test(arguments: bodyForms)
    func trailersFollowTheBodyAndEndTheStream(_ form: BodyForm) async throws {
        try await withHTTP2(
            [
                .send(Frames.settings() + Frames.windowUpdate(0, 1 << 20)), .request(1),
                .send(Frames.windowUpdate(1, 1 << 20)),
                .expectFrame(Frames.headersType, stream: 1), .send(Frames.answer(1)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let body = form.body.withTrailers { [Self.checksum: "42"] }
            #expect(try await stand.post(body) == "ok")
            let frames = stand.frames().filter { $0.stream == 1 }
            // END_STREAM is on the trailers only.
            #expect(frames.count { $0.flags & 1 == 1 } == 1)
            #expect(frames.last?.flags == 5)
            #expect(frames.last?.type == Frames.headersType)
            let sent = frames.filter { $0.type == Frames.dataType }
                .reduce(0) { $0 + $1.payload.count }
            #expect(sent == form.count)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test(arguments: [
        "Content-Length", "Transfer-Encoding", "Host", "Connection", "Trailer", "Expect",
        "Authorization", "Content-Type", "Set-Cookie", "Cookie", "Range", "If-Match",
    ])
    func aTrailerThatRFC9110ForbidsIsRefused(_ name: String) async throws {
        try await withHTTP2(
            [.send(Frames.settings()), .request(1)] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let field = try #require(HTTPField.Name(name))
            let body = RequestBody.bytes(Bytes("hello")).withTrailers { [field: "5"] }
            let error = await transportError { _ = try await stand.post(body) }
            #expect(error?.kind.name == "invalidRequest")
            try await stand.works()
            #expect(stand.frames().contains { $0.type == Frames.resetType && $0.stream == 1 })
            #expect(!stand.frames().contains { $0.stream == 1 && $0.flags & 1 == 1 && $0.type < 2 })
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test(
        "trailers whose names are known are announced",
        arguments: [ProtocolVariant.http2OverTLS, .http1])
    func namedTrailersAreAnnounced(_ variant: ProtocolVariant) async throws {
        let body = RequestBody.bytes(Bytes("hello")).withTrailers(
            named: [Self.checksum, .eTag]
        ) { [Self.checksum: "42", .eTag: "x"] }
        let lines = try await head(variant, [:], body: body, method: .post)
        #expect(lines.contains { $0.lowercased() == "trailer: x-checksum, etag" }, "\(lines)")
        // The caller's own field is kept, and only named trailers are announced.
        let own = try await head(variant, [.trailer: "X-Other"], body: body, method: .post)
        #expect(own.filter { $0.lowercased().hasPrefix("trailer:") }.count == 1)
        let unnamed = RequestBody.bytes(Bytes("hello")).withTrailers { [Self.checksum: "42"] }
        let silent = try await head(variant, [:], body: unnamed, method: .post)
        #expect(!silent.contains { $0.lowercased().hasPrefix("trailer:") })
    }

    @Test("a name that no trailer has is refused before anything is sent")
    func aNameThatNoTrailerHasIsNotAnnounced() async throws {
        try await withHTTP2(.wellBehaved()) { stand in
            let body = RequestBody.bytes(Bytes("x")).withTrailers(named: [.contentType]) { [:] }
            let error = await transportError { _ = try await stand.post(body) }
            #expect(error?.kind.name == "invalidRequest")
            #expect(error?.replay == .notSent)
            try await stand.works()
            #expect(stand.frames().count { $0.type == Frames.headersType } == 1)
        }
    }

    @Test(arguments: [ProtocolVariant.http2OverTLS, .http2PriorKnowledge, .http1])
    func trailersArriveAtARealPeer(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let body = RequestBody.bytes(Bytes("hello")).withTrailers { [Self.checksum: "42"] }
            let response = try await stand.client.send(.post(stand.url("/sink")), body: body)
            #expect(try await text(of: response) == "5\n")
        }
    }

    // MARK: Fields

    /// The head as the origin received it, a line for each field.
    private func head(
        _ variant: ProtocolVariant, _ fields: HTTPFields, body: RequestBody = .empty,
        method: HTTPRequest.Method = .get, options: RequestOptions = .init()
    ) async throws -> [String] {
        var lines: [String] = []
        try await withStand(variant) { stand in
            let request = try HTTPRequest(method, url: stand.url("/headers"), fields: fields)
            let response = try await stand.client.send(request, body: body, options: options)
            lines = try await text(of: response).split(whereSeparator: \.isNewline).map(String.init)
        }
        return lines
    }

    @Test func aHostOfTheCallersOwnIsTheAuthority() async throws {
        let host = try #require(HTTPField.Name("Host"))
        let lines = try await head(.http2OverTLS, [host: "other.example"])
        #expect(lines.contains(":authority: other.example"))
        #expect(!lines.contains { $0.hasPrefix("host:") })
    }

    @Test func anInvalidHostIsRefused() async throws {
        let host = try #require(HTTPField.Name("Host"))
        let error = await transportError { _ = try await head(.http2OverTLS, [host: "a b"]) }
        #expect(error?.kind.name == "invalidRequest")
        let twice = await transportError {
            var fields: HTTPFields = [host: "a"]
            fields.append(HTTPField(name: host, value: "b"))
            _ = try await head(.http2OverTLS, fields)
        }
        #expect(twice?.kind.name == "invalidRequest")
    }

    @Test func aKnownLengthIsSaid() async throws {
        let post = try await head(
            .http2OverTLS, [:], body: .segments([Bytes("he"), Bytes("llo")]), method: .post)
        #expect(post.contains("content-length: 5"))
        let empty = try await head(.http2OverTLS, [:], method: .post)
        #expect(empty.contains("content-length: 0"))
        let get = try await head(.http2OverTLS, [:])
        #expect(!get.contains { $0.hasPrefix("content-length") })
        let unknown = try await head(
            .http2OverTLS, [:], body: .stream { Pieces([Bytes("hello")]) }, method: .post)
        #expect(!unknown.contains { $0.hasPrefix("content-length") })
    }

    @Test func aLengthThatContradictsTheBodyIsRefused() async throws {
        let error = await transportError {
            _ = try await head(
                .http2OverTLS, [.contentLength: "4"], body: .bytes(Bytes("hello")), method: .post)
        }
        #expect(error?.kind.name == "invalidRequest")
        #expect(error?.replay == .notSent)
        let same = try await head(
            .http2OverTLS, [.contentLength: "5"], body: .bytes(Bytes("hello")), method: .post)
        #expect(same.count { $0.hasPrefix("content-length") } == 1)
    }

    @Test(
        arguments: [
            (RequestPriority(), "u=3"), (RequestPriority(urgency: 0), "u=0"),
            (RequestPriority(urgency: 7, isIncremental: true), "u=7, i"),
            (RequestPriority(isIncremental: true), "i"),
        ], [ProtocolVariant.http2OverTLS, .http1])
    func aPriorityIsSentWhenAskedFor(
        _ priority: (RequestPriority, String), _ variant: ProtocolVariant
    )
        async throws
    {
        var options = RequestOptions()
        options.priority = priority.0
        let lines = try await head(variant, [:], options: options).map { $0.lowercased() }
        #expect(lines.contains("priority: \(priority.1)"))
        let field = try #require(HTTPField.Name("Priority"))
        let own = try await head(variant, [field: "u=1"], options: options).map { $0.lowercased() }
        #expect(own.filter { $0.hasPrefix("priority") } == ["priority: u=1"])
        let none = try await head(variant, [:]).map { $0.lowercased() }
        #expect(!none.contains { $0.hasPrefix("priority") })
    }

    @Test(arguments: [-1, 8])
    func anUrgencyOutOfRangeIsRefused(_ urgency: Int) async throws {
        var options = RequestOptions()
        options.priority = RequestPriority(urgency: urgency)
        let refused = options
        let error = await transportError {
            _ = try await head(.http2OverTLS, [:], options: refused)
        }
        #expect(error?.kind.name == "invalidRequest")
    }

    // MARK: Counts

    @Test func anUploadCountsWhatWasHandedToTheWire() async throws {
        try await withHTTP2(
            .http2([]) + [
                .send(Frames.ping()), .expectFrame(Frames.pingType, ack: true),
                .waitForSignal("reset"), .send(Frames.reset(1, 2)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let body = Bytes([UInt8](repeating: 0, count: 1_000_000))
            async let error = transportError { _ = try await stand.post(.bytes(body)) }
            try await eventually("the window is full") {
                stand.frames().filter { $0.type == Frames.dataType }
                    .reduce(0) { $0 + $1.payload.count } == 65_535
            }
            stand.peer.release("reset")
            let failure = await error
            #expect(failure?.kind == .h2Stream(code: 2))
            #expect(failure?.bytesSent == 65_535)
            #expect(failure?.phase == .send)
            try await stand.works()
        }
    }

    @Test func aSlotIsFreedBeforeItsCallerReturns() async throws {
        var tuning = EngineTuning.executor
        tuning.http2.maxStreamsPerConnection = 1
        try await withStand(.http2PriorKnowledge, tuning: tuning) { stand in
            for _ in 0..<500 {
                let response = try await stand.get("/bytes/10")
                _ = try await response.body.collect(upTo: 100)
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(stand.engine.snapshot().counters.waits == 1)
        }
    }
}
