import Apus
import ApusEvents
import Loopback
import Testing

/// Lines over a body and over any other sequence of bytes.
@Suite(.timeLimit(.minutes(5))) struct LineSequenceTests {
    private struct Broken: Error, Equatable {}

    private static let reset = TransportError(
        .reset, phase: .body, message: "reset", replay: .responseStarted)

    @Test func aBodyIsReadLineByLine() async throws {
        let body = ResponseBody([Bytes("a\nb"), Bytes("c\r"), Bytes("\n\nlast")])
        var found: [String] = []
        for try await line in body.lines() { found.append(String(line)) }
        #expect(found == ["a", "bc", "", "last"])
    }

    @Test func theErrorOfABodyFollowsItsLines() async throws {
        let body = ResponseBody([Bytes("a\nrest")], failure: Self.reset)
        var lines = body.lines().makeAsyncIterator()
        #expect(try await lines.next() == Bytes("a"))
        do throws(TransportError) {
            _ = try await lines.next()
            Issue.record("no error")
        } catch {
            #expect(error.kind == .reset)
        }
    }

    @Test func aLineBeyondTheBoundEndsTheExchange() async throws {
        try await withOrigin { server, engine in
            let url = "http://127.0.0.1:\(server.port)/endless"
            let response = try await engine.send(.get(url))
            var lines = response.body.lines(maxLength: 100).makeAsyncIterator()
            let error = await transportError { while try await lines.next() != nil {} }
            #expect(error?.kind == .tooLarge)
            #expect(error?.phase == .body)
            #expect(error?.replay == .responseStarted)
            #expect(error?.message == "a line is longer than 100 bytes")
            // Nothing more of the body can be read.
            let later = await transportError {
                while try await response.body.makeAsyncIterator().next() != nil {}
            }
            #expect(later != nil)
        }
    }

    @Test func ofAnotherSequenceErrorsPassAsTheyAre() async throws {
        let bytes = AsyncThrowingStream<Bytes, any Error> { stream in
            stream.yield(Bytes("a\nb"))
            stream.finish(throwing: Broken())
        }
        var lines = bytes.lines().makeAsyncIterator()
        #expect(try await lines.next() == Bytes("a"))
        await #expect(throws: Broken()) { try await lines.next() }
    }

    @Test func ofAnotherSequenceALongLineIsLengthExceeded() async throws {
        let bytes = AsyncStream<Bytes> { stream in
            stream.yield(Bytes("123\n1234\n"))
            stream.finish()
        }
        var lines = bytes.lines(maxLength: 3).makeAsyncIterator()
        #expect(try await lines.next() == Bytes("123"))
        await #expect(throws: LengthExceeded(.line, limit: 3)) { try await lines.next() }
    }

    @Test func aDeadlineKeepsWhatHasBeenReceivedOfALine() async throws {
        let fed = HandFedBody()
        var lines = fed.body.lines().makeAsyncIterator()
        fed.send("a\nb")
        #expect(try await lines.next(until: .now + .seconds(60)) == .element(Bytes("a")))
        #expect(try await lines.next(until: .now) == .nothing)
        fed.send("c\nd")
        fed.finish()
        #expect(try await lines.next(until: .now + .seconds(60)) == .element(Bytes("bc")))
        #expect(try await lines.next(until: .now + .seconds(60)) == .element(Bytes("d")))
        #expect(try await lines.next(until: .now + .seconds(60)) == .end)
    }

    @Test func aDeadlineRefusesALongLineToo() async throws {
        var lines = ResponseBody([Bytes("123")]).lines(maxLength: 2).makeAsyncIterator()
        await #expect(throws: TransportError.self) { try await lines.next(until: .now) }
    }
}
