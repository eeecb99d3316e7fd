import Apus
import Loopback
import Testing

/// A transport that answers by itself: responses and bodies are made without an engine.
@Suite(.timeLimit(.minutes(5))) struct ResponseTests {
    /// Answers each path with what it was given for it.
    struct Stub: HTTPTransport {
        let answers: @Sendable (String) -> Response

        func send(
            _ request: HTTPRequest, body: RequestBody, options: RequestOptions
        ) async throws(TransportError) -> Response {
            answers(request.path ?? "/")
        }
    }

    @Test func aStubAnswersThroughAClient() async throws {
        let pieces = ["one ", "", "two ", "three"].map { Bytes($0) }
        let stub = Stub { _ in
            Response(
                HTTPResponse(status: .created, headerFields: [.contentType: "text/plain"]),
                body: ResponseBody(pieces, trailers: [.eTag: "x"]), version: .http2,
                informational: [HTTPResponse(status: .earlyHints)])
        }
        let found = try ExecutorClient.resolve(over: stub, injected: stub)
        let client = found.client(otherwise: stub)
        let response = try await client.send(.get("https://stub.test/"))
        #expect(response.status == .created)
        #expect(response.head.headerFields[.contentType] == "text/plain")
        #expect(response.version == .http2)
        #expect(response.informational.map(\.status) == [.earlyHints])
        #expect(response.body.trailers == nil, "they come after the body")
        var read: [String] = []
        for try await piece in response.body { read.append(String(piece)) }
        #expect(read == ["one ", "two ", "three"])
        #expect(response.body.trailers == [.eTag: "x"])
        #expect(response.info.connectionID == 0)
        #expect(!response.info.isReused)
    }

    @Test func anEmptyBodyAndAWholeOne() async throws {
        let empty = Response(HTTPResponse(status: .noContent))
        #expect(try await empty.body.collect(upTo: 0).isEmpty)
        #expect(empty.version == .http1)
        let whole = Response(
            HTTPResponse(status: .ok), body: ResponseBody([Bytes("abc"), Bytes("def")]))
        #expect(String(try await whole.body.collect(upTo: 6)) == "abcdef")
        let long = Response(HTTPResponse(status: .ok), body: ResponseBody([Bytes("abcdefg")]))
        let error = await transportError { _ = try await long.body.collect(upTo: 6) }
        #expect(error?.kind == .tooLarge)
    }

    @Test func aFailureComesAfterTheReceivedBytes() async throws {
        let failure = TransportError(
            .truncated, phase: .body, message: "cut", replay: .responseStarted)
        let body = ResponseBody([Bytes("part")], trailers: [.eTag: "x"], failure: failure)
        let iterator = body.makeAsyncIterator()
        #expect(try await iterator.next() == Bytes("part"))
        for _ in 0..<2 {
            let error = await transportError { _ = try await iterator.next() }
            #expect(error?.kind == .truncated)
        }
        #expect(body.trailers == nil, "there was no end")
    }

    /// What a fault-injecting wrapper or a decoder does: another body, piece by piece.
    @Test func aBodyWrapsAnother() async throws {
        let inner = ResponseBody(["a", "b", "c"].map { Bytes($0) }, trailers: [.eTag: "y"])
        let iterator = inner.makeAsyncIterator()
        let outer = ResponseBody(
            { () async throws(TransportError) -> Bytes? in
                guard let piece = try await iterator.next() else { return nil }
                // An empty piece is no end.
                return piece == Bytes("b") ? Bytes([]) : Bytes(String(piece) + String(piece))
            }, trailers: { inner.trailers })
        #expect(String(try await outer.collect(upTo: 100)) == "aacc")
        #expect(outer.trailers == [.eTag: "y"])
        let again = outer.makeAsyncIterator()
        #expect(try await again.next() == nil)
    }

    @Test func whatIsKnownOfAnExchangeCanBeMadeUp() {
        var info = ExchangeInfo()
        info.connectionID = 7
        info.isReused = true
        info.queuedFor = .connectionsPerHost
        info.head = .milliseconds(3)
        let response = Response(HTTPResponse(status: .ok), info: info)
        #expect(response.info.connectionID == 7)
        #expect(response.info.isReused)
        #expect(response.info.queuedFor == .connectionsPerHost)
        #expect(response.info.head == .milliseconds(3))
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aReplacedResponseKeepsTheRestAndReportsTheExchange(
        _ variant: ProtocolVariant
    ) async throws {
        try await withStand(variant) { stand in
            let original = try await stand.get("/informational?n=2")
            var head = original.head
            head.headerFields[.eTag] = "x"
            let response = original.replacing(
                head: head,
                body: ResponseBody(transforming: original.body, by: StageStub())
            ) { info in
                info.tries = [Try(.status(503)), Try(.status(200))]
                info.decoding = DecodingFacts()
            }
            #expect(response.head.headerFields[.eTag] == "x")
            #expect(response.version == (variant.isHTTP2 ? .http2 : .http1))
            #expect(response.informational.map(\.status.code) == [103, 103])
            #expect(response.duplex == nil)
            #expect(response.info.connectionID == original.info.connectionID)
            #expect(String(try await response.body.collect(upTo: 100)) == "hello\n")
            #expect(response.info.done != nil, "the facts are those of now")
            #expect(response.info.tries.count == 2)
            #expect(original.info.tries.isEmpty)
            // A layer above sees what the one below reports.
            let above = response.replacing { $0.tries.insert(Try(.status(302)), at: 0) }
            #expect(above.info.tries.map(\.description) == ["302", "503", "200"])
            #expect(above.info.decoding == DecodingFacts())
        }
    }

    @Test func aReplacedResponseKeepsItsDuplex() async throws {
        let script = try DuplexWay.upgrade.agreement(tail: "first") + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let request = try stand.request()
            var options = RequestOptions()
            options.upgrade = "x/1, echo"
            let response = try await stand.engine.send(request, options: options)
                .replacing(head: HTTPResponse(status: .accepted))
            #expect(response.status == .accepted)
            #expect(try await response.duplex?.read(atLeast: 5) == "first")
            response.cancel()
            let error = await transportError { _ = try await response.duplex?.read() }
            #expect(error?.kind == .cancelled)
            try await stand.expectNothingLeft()
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aReplacementThatDropsTheBodyEndsTheExchange(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/endless").replacing(body: ResponseBody())
            try await eventually("the origin is rid of it") {
                stand.server.counters.currentRequests == 0
            }
            #expect(response.status == .ok)
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aCancelledResponseEndsItsExchange(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/endless")
            response.cancel()
            response.cancel()
            try await eventually("the origin is rid of it") {
                stand.server.counters.currentRequests == 0
            }
            let error = await transportError { for try await _ in response.body {} }
            #expect(error?.kind == .cancelled)
            let next = try await stand.get("/bytes/1")
            _ = try await next.body.collect(upTo: 1)
        }
    }
}
