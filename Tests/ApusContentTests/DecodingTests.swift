import Apus
import ApusContent
import Loopback
import Testing

@Suite(.timeLimit(.minutes(5))) struct DecodingTests {
    static let words = ContentSamples.words
    static let url = "https://api.example/"

    // MARK: Requests

    @Test("R23: Accept-Encoding offers what can be decoded")
    func acceptEncodingOffersWhatCanBeDecoded() async throws {
        let stub = StubTransport(codings: [], [])
        _ = try await Decoding(stub).send(.get(Self.url))
        _ = try await Decoding(stub, accepting: [.zstd, .gzip]).send(.get(Self.url))
        _ = try await Decoding(stub, accepting: []).send(.get(Self.url))
        #expect(
            stub.requests.map { $0.headerFields[.acceptEncoding] }
                == ["gzip, deflate, br, zstd", "zstd, gzip", nil])
    }

    @Test(arguments: ["identity", "gzip", ""])
    func theCallersAcceptEncodingIsKept(value: String) async throws {
        let stub = StubTransport(codings: ["br"], [ContentSamples.brotliWords])
        let response = try await Decoding(stub).send(
            .get(Self.url, fields: [.acceptEncoding: value]))
        #expect(stub.requests.map { $0.headerFields[.acceptEncoding] } == [value])
        // Whatever was offered, what comes is decoded.
        #expect(try await response.body.collect(upTo: 4096) == Self.words)
    }

    @Test func aRangeOrAConnectIsOfferedNothing() async throws {
        let stub = StubTransport(codings: [], [])
        _ = try await Decoding(stub).send(.get(Self.url, fields: [.range: "bytes=0-9"]))
        _ = try await Decoding(stub).send(HTTPRequest(.connect, url: Self.url))
        #expect(stub.requests.map { $0.headerFields[.acceptEncoding] } == [nil, nil])
    }

    // MARK: Responses

    @Test("R23: each coding is removed and reported", arguments: ContentCoding.available)
    func eachCodingIsRemovedAndReported(coding: ContentCoding) async throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        let stub = StubTransport(
            codings: [coding.rawValue], packed.single,
            fields: [.contentLength: "\(packed.count)", .contentType: "text/plain"],
            trailers: [.eTag: "\"end\""])
        let response = try await Decoding(stub).send(.get(Self.url))
        #expect(response.head.headerFields == [.contentType: "text/plain"])
        var facts = try #require(response.info.decoding)
        #expect(facts.codings == [coding.rawValue])
        #expect(facts.remaining.isEmpty)
        #expect(facts.contentLength == UInt64(packed.count))
        #expect(facts.encodedBytes == 0 && facts.decodedBytes == 0)
        #expect(response.info.connectionID == 7)
        #expect(try await response.body.collect(upTo: 4096) == Self.words)
        #expect(response.body.trailers == [.eTag: "\"end\""])
        facts = try #require(response.info.decoding)
        #expect(facts.encodedBytes == UInt64(packed.count))
        #expect(facts.decodedBytes == UInt64(Self.words.count))
    }

    /// Stacked, and split over repeated fields; the last field names the coding applied last.
    @Test(
        "R23: codings are stacked and split over fields",
        arguments: [["br, zstd, x-gzip"], ["br", "zstd, X-GZIP"], ["br", "zstd", "", "x-gzip"]])
    func codingsAreStackedAndSplitOverFields(values: [String]) async throws {
        let packed = try ContentSamples.encoded(
            ContentSamples.encoded(ContentSamples.brotliWords, .zstd), .gzip)
        let stub = StubTransport(codings: values, packed.cut(at: 20))
        let response = try await Decoding(stub).send(.get(Self.url))
        #expect(response.head.headerFields[.contentEncoding] == nil)
        #expect(response.info.decoding?.codings == ["br", "zstd", "x-gzip"])
        #expect(try await response.body.collect(upTo: 4096) == Self.words)
    }

    @Test("R23: an error's body is decoded", arguments: [400, 401, 404, 429, 500, 529])
    func anErrorsBodyIsDecoded(status: Int) async throws {
        let stub = StubTransport(
            HTTPResponse.Status(code: status), codings: ["gzip"],
            [try ContentSamples.encoded(Self.words, .gzip)])
        let response = try await Decoding(stub).send(.post(Self.url))
        #expect(response.status.code == status)
        #expect(try await response.body.collect(upTo: 4096) == Self.words)
    }

    @Test("R23: 204, 205, 206, 304 and HEAD are left alone", arguments: [204, 205, 206, 304, 0])
    func aPartOrNoContentIsLeftAlone(status: Int) async throws {
        let stub = StubTransport(
            HTTPResponse.Status(code: status == 0 ? 200 : status), codings: ["gzip"],
            status == 206 ? [Bytes("a part")] : [], fields: [.contentLength: "6"])
        let request = try HTTPRequest(status == 0 ? .head : .get, url: Self.url)
        let response = try await Decoding(stub).send(request)
        #expect(response.head.headerFields[.contentEncoding] == "gzip")
        #expect(response.head.headerFields[.contentLength] == "6")
        #expect(response.info.decoding?.remaining == ["gzip"])
        #expect(response.info.decoding?.codings == [])
        let body = try await response.body.collect(upTo: 4096)
        #expect(body == (status == 206 ? Bytes("a part") : .empty))
    }

    /// All of it, also where the coding applied last is known.
    @Test("R23: an unknown coding passes untouched", arguments: [["foo"], ["foo", "GZIP"]])
    func anUnknownCodingPassesUntouched(values: [String]) async throws {
        let packed = try ContentSamples.encoded(Self.words, .gzip)
        let stub = StubTransport(codings: values, [packed], fields: [.contentLength: "9"])
        let response = try await Decoding(stub).send(.get(Self.url))
        #expect(response.head.headerFields[values: .contentEncoding] == values)
        #expect(response.head.headerFields[.contentLength] == "9")
        #expect(response.info.decoding?.remaining == values.map { $0.lowercased() })
        #expect(try await response.body.collect(upTo: 4096) == packed)
    }

    @Test(arguments: [[], ["identity"]])
    func contentWithoutACodingIsUnchanged(values: [String]) async throws {
        let stub = StubTransport(codings: values, [Self.words], fields: [.contentLength: "411"])
        let response = try await Decoding(stub).send(.get(Self.url))
        #expect(response.head.headerFields[.contentLength] == "411")
        #expect(response.info.decoding == nil)
        #expect(try await response.body.collect(upTo: 4096) == Self.words)
    }

    @Test func tooManyCodingsAreRefused() async throws {
        let stub = StubTransport(codings: ["gzip, gzip, gzip, gzip, gzip"], [])
        let error = await #expect(throws: TransportError.self) {
            try await Decoding(stub).send(.get(Self.url))
        }
        #expect(error?.kind == .tooLarge)
        #expect(error?.phase == .head)
        #expect(error?.connectionID == 7)
        #expect(error?.replay == .responseStarted)
    }

    // MARK: Faults

    @Test(
        "R23: a fault comes after the good part",
        arguments: [
            ("truncated", TransportError.Kind.truncated), ("garbage", .malformed),
            ("corrupt", .malformed), ("transport", .reset),
        ])
    func aFaultComesAfterTheGoodPart(fault: String, kind: TransportError.Kind) async throws {
        let noise = ContentSamples.noise(200_000)
        var packed = try ContentSamples.encoded(noise, .gzip).array
        switch fault {
        case "truncated": packed.removeLast(9)
        case "garbage": packed += [1, 2, 3]
        case "corrupt": packed[packed.count - 5] ^= 1
        default: packed.removeLast(9)
        }
        let failure =
            fault == "transport"
            ? TransportError(.reset, phase: .body, message: "reset", replay: .responseStarted)
            : nil
        let stub = StubTransport(
            codings: ["gzip"], Bytes(packed).cut(at: 70_000), failure: failure)
        let response = try await Decoding(stub).send(.get(Self.url))
        let (bytes, error) = await response.body.readThrough()
        #expect(error?.kind == kind)
        #expect(error?.phase == .body)
        #expect(bytes.count > 199_000)
        #expect(bytes == noise.prefix(bytes.count))
        let again = await response.body.readThrough()
        #expect(again.error?.kind == kind && again.bytes.isEmpty)
    }

    @Test func aBodyBeyondTheLimitsFails() async throws {
        let stub = StubTransport(codings: ["br"], [ContentSamples.brotliZeros])
        let response = try await Decoding(stub, limits: .init(maxBytes: 100_000)).send(
            .get(Self.url))
        let (bytes, error) = await response.body.readThrough()
        #expect(error?.kind == .tooLarge)
        #expect(bytes.count == 100_000)
    }

    // MARK: A connection

    /// The head before any content, each event before the next one is sent, the trailers at the
    /// end; and the connection is used again.
    @Test("R23: events over a connection are decoded as they come")
    func eventsOverAConnectionAreDecodedAsTheyCome() async throws {
        let events = (0..<4).map { Bytes("data: event \($0)\n\n") }
        for coding in ContentCoding.available {
            let pieces = try ContentSamples.events(events, coding)
            var script: [ScriptedPeer.Step] = [
                .expectHead,
                .sendText(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                        + "Content-Encoding: \(coding.rawValue)\r\n"
                        + "Transfer-Encoding: chunked\r\n\r\n"),
            ]
            for (index, piece) in pieces.enumerated() {
                script.append(.waitForSignal("\(index)"))
                script.append(
                    .send(
                        Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece.array
                            + Array("\r\n".utf8)))
            }
            script += [
                .sendText("0\r\nETag: \"end\"\r\n\r\n"), .expectHead,
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), .readUntilEnd,
            ]
            let peer = try ScriptedPeer([script])
            let engine = try TransportEngine(.executor)
            let transport = Decoding(engine)
            let url = "http://127.0.0.1:\(peer.port)/"
            let response = try await transport.send(.get(url))
            let iterator = response.body.makeAsyncIterator()
            for (index, event) in events.enumerated() {
                peer.release("\(index)")
                #expect(try await iterator.next() == event)
            }
            // What has not come is not waited for longer than asked.
            #expect(try await iterator.next(until: .now) == .nothing)
            peer.release("\(events.count)")
            #expect(try await iterator.next() == nil)
            #expect(response.body.trailers == [.eTag: "\"end\""])
            let second = try await transport.send(.get(url))
            #expect(second.info.isReused)
            #expect(String(try await second.body.collect(upTo: 10)) == "ok")
            await engine.shutdown()
            peer.stop()
        }
    }

    /// Dropping a decoded body ends the exchange below, and so does a fault of the content.
    @Test(arguments: [false, true])
    func aBodyThatIsDroppedOrAtFaultEndsTheExchange(isFault: Bool) async throws {
        let event = try ContentSamples.events([Bytes("data: 1\n\n")], .gzip)[0]
        let content = isFault ? event.array + [7, 7, 7] : event.array
        let peer = try ScriptedPeer([
            [
                .expectHead,
                .sendText("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"), .send(content),
                .readUntilEnd,
            ]
        ])
        let engine = try TransportEngine(.executor)
        do {
            let response = try await Decoding(engine).send(
                .get("http://127.0.0.1:\(peer.port)/"))
            let iterator = response.body.makeAsyncIterator()
            #expect(try await iterator.next() == Bytes("data: 1\n\n"))
            if isFault {
                let error = await #expect(throws: TransportError.self) {
                    try await iterator.next()
                }
                #expect(error?.kind == .malformed)
                #expect(error?.connectionID == 1)
            }
        }
        #expect(await peer.connection(0) { $0.hasEnded })
        await engine.shutdown()
        peer.stop()
    }
}
