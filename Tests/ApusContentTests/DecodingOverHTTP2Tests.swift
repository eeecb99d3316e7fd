import Apus
import ApusContent
import Loopback
import Testing

/// A transport that names a coding on each response of another: the origin sends the request's
/// content back and knows nothing of its coding.
private struct Labelling: HTTPTransport {
    let transport: any HTTPTransport
    let coding: ContentCoding

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let response = try await transport.send(request, body: body, options: options)
        var head = response.head
        head.headerFields[.contentEncoding] = coding.rawValue
        return response.replacing(head: head)
    }
}

@Suite(.timeLimit(.minutes(5))) struct DecodingOverHTTP2Tests {
    /// Each event is sent after the one before has been read decoded, so one that waits for more
    /// input never comes; and 20 streams share the connection.
    @Test("R23: events over HTTP/2 are decoded as they come", arguments: ContentCoding.available)
    func eventsAreDecodedAsTheyCome(coding: ContentCoding) async throws {
        let events = (0..<4).map { Bytes("data: event \($0)\n\n") }
        let pieces = try ContentSamples.events(events, coding)
        try await withOrigin { client, url in
            let transport = Decoding(Labelling(transport: client, coding: coding))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        let (stream, input) = AsyncStream.makeStream(of: Bytes.self)
                        let response = try await transport.send(
                            .post(url + "/echo"), body: .oneShot { stream })
                        let iterator = response.body.makeAsyncIterator()
                        for (event, piece) in zip(events, pieces) {
                            input.yield(piece)
                            #expect(try await iterator.next() == event)
                        }
                        pieces.last.map { _ = input.yield($0) }
                        input.finish()
                        #expect(try await iterator.next() == nil)
                        #expect(response.version == .http2)
                        #expect(response.info.decoding?.codings == [coding.rawValue])
                        #expect(response.info.connectionID == 1)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// A fault of the content resets its stream and leaves the connection to the others.
    @Test("R23: a fault over HTTP/2 ends its stream alone", arguments: ContentCoding.available)
    func aFaultEndsItsStreamAlone(coding: ContentCoding) async throws {
        let whole = try ContentSamples.encoded(ContentSamples.words, coding)
        try await withOrigin { client, url in
            let transport = Decoding(Labelling(transport: client, coding: coding))
            let good = try await transport.send(.post(url + "/echo"), body: .bytes(whole))
            let cut = whole.slice(0..<whole.count - 2)
            let bad = try await transport.send(.post(url + "/echo"), body: .bytes(cut))
            let (bytes, error) = await bad.body.readThrough()
            #expect(error?.kind == .truncated, "\(String(describing: error))")
            #expect(ContentSamples.words.array.starts(with: bytes.array))
            #expect(try await good.body.collect(upTo: 4096) == ContentSamples.words)
            let next = try await client.send(.get(url + "/"))
            #expect(next.info.connectionID == good.info.connectionID)
        }
    }

    private func withOrigin(
        _ work: (ExecutorClient, String) async throws -> Void
    ) async throws {
        var options = LoopbackServer.Options(tls: nil)
        options.http2PriorKnowledge = true
        let server = try LoopbackServer(options)
        defer { server.stop() }
        let engine = try TransportEngine(.executor)
        let client = ExecutorClient(engine, versions: .http2Only)
        do {
            try await work(client, "http://127.0.0.1:\(server.port)")
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }
}
