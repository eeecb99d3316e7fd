import Apus
import ApusEvents
import Loopback
import Testing

/// Events over a body and over any other sequence of bytes.
@Suite(.timeLimit(.minutes(5))) struct ServerSentEventSequenceTests {
    private static let reset = TransportError(
        .reset, phase: .body, message: "reset", replay: .responseStarted)

    @Test func aBodyIsReadEventByEvent() async throws {
        let body = ResponseBody([
            Bytes("data: a\n"), Bytes("\nid: 1\nretry: 5\ndata: b\n\ndata: c"),
        ])
        var events = body.serverSentEvents().makeAsyncIterator()
        #expect(try await events.next() == event("a"))
        #expect(events.lastEventID == "")
        #expect(events.reconnectionTime == nil)
        #expect(try await events.next() == event("b", id: "1"))
        #expect(events.lastEventID == "1")
        #expect(events.reconnectionTime == .milliseconds(5))
        #expect(try await events.next() == nil)
        #expect(try await events.next() == nil)
    }

    @Test func commentsAreDeliveredOnRequest() async throws {
        let body = ResponseBody([Bytes(": ping\ndata: a\n\n")])
        var kinds: [ServerSentEvent.Kind] = []
        for try await event in body.serverSentEvents(reportsComments: true) {
            kinds.append(event.kind)
        }
        #expect(kinds == [.comment, .event])
    }

    @Test func theErrorOfABodyFollowsItsEvents() async throws {
        let body = ResponseBody([Bytes("data: a\n\ndata: b\n")], failure: Self.reset)
        var events = body.serverSentEvents().makeAsyncIterator()
        #expect(try await events.next() == event("a"))
        do throws(TransportError) {
            _ = try await events.next()
            Issue.record("no error")
        } catch {
            #expect(error.kind == .reset)
        }
    }

    @Test func anEventBeyondTheBoundEndsTheExchange() async throws {
        try await withOrigin { server, engine in
            let url = "http://127.0.0.1:\(server.port)/sse?n=100000&size=32"
            let response = try await engine.send(.get(url))
            var events = response.body.serverSentEvents(maxLength: 20).makeAsyncIterator()
            let error = await transportError { while try await events.next() != nil {} }
            #expect(error?.kind == .tooLarge)
            #expect(error?.message == "a line is longer than 20 bytes")
            let later = await transportError {
                while try await response.body.makeAsyncIterator().next() != nil {}
            }
            #expect(later != nil)
        }
    }

    @Test func ofAnotherSequenceALongEventIsLengthExceeded() async throws {
        let bytes = AsyncStream<Bytes> { stream in
            stream.yield(Bytes("data: a\n\ndata: 12\ndata: 345\n\n"))
            stream.finish()
        }
        var events = bytes.serverSentEvents(maxLength: 9).makeAsyncIterator()
        #expect(try await events.next() == event("a"))
        #expect(try await events.next() == event("12\n345"))
        #expect(try await events.next() == nil)
        var fewer = ResponseBody([Bytes("data:12\ndata:345\ndata:67\n\n")])
            .map { $0 }.serverSentEvents(maxLength: 8).makeAsyncIterator()
        await #expect(throws: LengthExceeded(.event, limit: 8)) { try await fewer.next() }
    }

    @Test func aDeadlineKeepsWhatHasBeenReceivedOfAnEvent() async throws {
        let fed = HandFedBody()
        var events = fed.body.serverSentEvents().makeAsyncIterator()
        fed.send("data: a\n")
        #expect(try await events.next(until: .now) == .nothing)
        fed.send("data: b\n\ndata: c\n\n")
        #expect(try await events.next(until: .now + .seconds(60)) == .element(event("a\nb")))
        #expect(try await events.next(until: .now) == .element(event("c")))
        fed.finish()
        #expect(try await events.next(until: .now + .seconds(60)) == .end)
    }
}
