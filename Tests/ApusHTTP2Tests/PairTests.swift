import ApusCore
import ApusHTTP2
import HTTPTypes
import Testing

private func bytes(_ count: Int, seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ seed) }
}

/// Our client against nghttp2's server.
@Suite struct PairTests {
    @Test func aRequestIsAnswered() throws {
        let pair = try Pair()
        pair.server.onRequest = { server, stream in
            server.inform(stream, [(":status", "103"), ("link", "</a>")])
            server.respond(
                stream, [(":status", "200"), ("content-type", "text/plain"), ("x-a", "b")],
                body: Array("hello".utf8), trailers: [("x-sum", "5")])
        }
        let stream = try pair.get()
        pair.exchange()
        var response: HTTPResponse?
        var trailers: HTTPFields?
        var informational = 0
        for event in pair.events {
            switch event {
            case .informational: informational += 1
            case .head(stream, let head, _): response = head
            case .end(stream, let fields): trailers = fields
            default: break
            }
        }
        #expect(informational == 1)
        #expect(response?.status == .ok)
        #expect(response?.headerFields[.contentType] == "text/plain")
        #expect(pair.body(stream) == Array("hello".utf8))
        #expect(trailers?.first?.value == "5")
        #expect(pair.isClosed(stream))
        #expect(pair.client.openStreams == 0)
    }

    @Test func manyStreamsAtOnceKeepTheirBodiesApart() throws {
        let pair = try Pair(settings: [(3, 100)])
        pair.server.onRequest = { server, stream in
            server.respond(
                stream, [(":status", "200")], body: bytes(20_000 + Int(stream), seed: Int(stream)))
        }
        let streams = try (0..<100).map { _ in try pair.get() }
        pair.exchange { event in
            if case .body(let stream, let body) = event {
                pair.client.consumed(body.count, on: stream)
            }
        }
        for stream in streams {
            #expect(pair.body(stream) == bytes(20_000 + Int(stream), seed: Int(stream)))
            #expect(pair.isEnded(stream))
            #expect(pair.isClosed(stream))
        }
    }

    @Test func aLargeUploadComesBackWhole() throws {
        let pair = try Pair()
        pair.server.onRequest = { server, stream in
            server.respond(
                stream, [(":status", "200")], body: server.requests[stream]?.body ?? [])
        }
        let body = bytes(3 << 20, seed: 7)
        let stream = try pair.post()
        pair.client.send(Bytes(body), endOfBody: true, on: stream)
        pair.exchange { event in
            if case .body(let stream, let body) = event {
                pair.client.consumed(body.count, on: stream)
            }
        }
        #expect(pair.body(stream) == body)
        #expect(pair.isClosed(stream))
    }

    @Test func aProducerFedByDrainedEventsGetsAllThrough() throws {
        let pair = try Pair()
        let stream = try pair.post()
        var left = 200
        pair.client.send(Bytes(bytes(5_000, seed: 0)), endOfBody: false, on: stream)
        pair.exchange { event in
            guard case .bodyDrained = event else { return }
            left -= 1
            pair.client.send(Bytes(bytes(5_000, seed: 0)), endOfBody: left == 1, on: stream)
        }
        #expect(pair.server.requests[stream]?.body.count == 200 * 5_000)
        #expect(pair.server.requests[stream]?.isComplete == true)
    }

    @Test func aStoppedReaderStopsItsStreamAtItsWindow() throws {
        let pair = try Pair()
        pair.server.onRequest = { server, stream in
            server.respond(stream, [(":status", "200")], body: bytes(1 << 20, seed: 1))
        }
        let stopped = try pair.get()
        let moving = try pair.get()
        pair.exchange { event in
            if case .body(moving, let body) = event {
                pair.client.consumed(body.count, on: moving)
            }
        }
        #expect(pair.isEnded(moving))
        #expect(pair.body(stopped).count == 256 * 1024)
        pair.client.consumed(256 * 1024, on: stopped)
        pair.exchange { event in
            if case .body(stopped, let body) = event {
                pair.client.consumed(body.count, on: stopped)
            }
        }
        #expect(pair.body(stopped) == bytes(1 << 20, seed: 1))
    }

    @Test func anHonestServersGoAwayLosesNothing() throws {
        let pair = try Pair()
        var answered = 0
        pair.server.onRequest = { server, stream in
            answered += 1
            if answered == 5 { server.goAway(last: stream) }
            server.respond(stream, [(":status", "200")], body: [1])
        }
        let streams = try (0..<5).map { _ in try pair.get() }
        pair.exchange()
        #expect(streams.allSatisfy { pair.isEnded($0) })
        #expect(pair.client.isDraining)
    }
}
