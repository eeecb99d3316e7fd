import Apus
import ApusEvents
import Loopback
import Synchronization
import Testing

/// The loop of an executor over a stream, and the time to its first token.
@Suite(.timeLimit(.minutes(5))) struct StreamLoopTests {
    /// The result of one upstream call.
    private enum Result: Equatable {
        /// The lines up to `[DONE]` or to the end.
        case stream([String])
        /// The status and the whole body of a refusal.
        case refusal(Int, String)
    }

    /// The loop as executors write it: a refusal is read whole, up to a bound; a stream is read
    /// line by line, up to `[DONE]`.
    private func execute(
        _ transport: some HTTPTransport, _ request: HTTPRequest
    ) async throws -> Result {
        let response = try await transport.send(request)
        guard response.status.kind == .successful else {
            let body = try await response.body.collect(upTo: 1 << 20)
            return .refusal(response.status.code, String(body))
        }
        var lines: [String] = []
        for try await line in response.body.lines(maxLength: 50 << 20) where !line.isEmpty {
            let text = String(line)
            if text == "data: [DONE]" { break }
            lines.append(text)
        }
        return .stream(lines)
    }

    private static func head(_ status: String, length: String = "Transfer-Encoding: chunked")
        -> String
    { "HTTP/1.1 \(status)\r\nContent-Type: text/event-stream\r\n\(length)\r\n\r\n" }

    private static func chunk(_ text: String) -> String {
        String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n"
    }

    /// R32: the peer still sends when the loop leaves the stream, and the next request is served.
    @Test func aStreamIsReadUpToDoneAndReleased() async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead, .sendText(Self.head("200 OK")),
                .sendText(Self.chunk("data: {\"a\":1}\n\ndata: {\"b\"")),
                .sendText(Self.chunk(":2}\r\n\r\ndata: [DONE]\n\nmore")), .readUntilEnd,
            ],
            [
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
                .readUntilEnd,
            ],
        ])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let request = try HTTPRequest.get("http://127.0.0.1:\(peer.port)/")
        let first = try await execute(engine, request)
        #expect(first == .stream(["data: {\"a\":1}", "data: {\"b\":2}"]))
        let second = try await execute(engine, request)
        #expect(second == .stream(["x"]))
        // The first connection was closed when the loop left the stream.
        #expect(await peer.connection(0) { $0.steps == 5 })
        await engine.shutdown(drain: .zero)
    }

    @Test func aRefusalIsReadWhole() async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead,
                .sendText(Self.head("429 Too Many Requests", length: "Content-Length: 17")),
                .sendText("{\"error\":\n\"busy\"}"), .readUntilEnd,
            ]
        ])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let result = try await execute(engine, .get("http://127.0.0.1:\(peer.port)/"))
        #expect(result == .refusal(429, "{\"error\":\n\"busy\"}"))
        await engine.shutdown(drain: .zero)
    }

    /// An event is delivered while its stream is open and silent, by each kind of line end.
    @Test(arguments: ["\n", "\r", "\r\n"])
    func anEventIsDeliveredWhileTheStreamPauses(_ end: String) async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead, .sendText(Self.head("200 OK")),
                .sendText(Self.chunk("data: a\(end)\(end)")), .waitForSignal("go on"),
                .sendText(Self.chunk("data: b\(end)\(end)") + "0\r\n\r\n"), .readUntilEnd,
            ]
        ])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let response = try await engine.send(.get("http://127.0.0.1:\(peer.port)/"))
        var events = response.body.serverSentEvents().makeAsyncIterator()
        #expect(try await events.next() == event("a"))
        peer.release("go on")
        #expect(try await events.next() == event("b"))
        #expect(try await events.next() == nil)
        await engine.shutdown(drain: .zero)
    }

    /// R25: the wrapper's clock starts before the engine resolves or dials, and stops at the first
    /// event, which is later than the head.
    @Test func theTimeToTheFirstTokenStartsBeforeTheDial() async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead, .sendText(Self.head("200 OK")), .sendText(Self.chunk(": ping\n\n")),
                .waitForSignal("token"),
                .sendText(Self.chunk("data: token\n\n") + "0\r\n\r\n"), .readUntilEnd,
            ]
        ])
        defer { peer.stop() }
        let dialled = Mutex<ContinuousClock.Instant?>(nil)
        let engine = try TransportEngine(
            .executor, observer: DialObserver { dialled.withLock { $0 = $0 ?? .now } })
        let tracked = FirstTokenTransport(inner: engine)
        let response = try await tracked.send(.get("http://127.0.0.1:\(peer.port)/"))
        let head = try #require(response.info.head)
        peer.release("token")
        var texts: [String] = []
        for try await event in response.body.serverSentEvents() { texts.append(event.text) }
        #expect(texts == ["token"])
        let times = try #require(tracked.times)
        let dial = try #require(dialled.withLock { $0 })
        #expect(times.start <= dial)
        #expect(times.firstByte >= times.start)
        #expect(times.firstEvent - times.start >= head)
        #expect(times.firstEvent >= times.firstByte)
        await engine.shutdown(drain: .zero)
    }
}

/// Notes when the first dial starts.
private struct DialObserver: EngineObserver {
    let dialStarted: @Sendable () -> Void

    init(_ dialStarted: @escaping @Sendable () -> Void) {
        self.dialStarted = dialStarted
    }

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        if case .dialStarted = event { dialStarted() }
    }
}

/// A wrapper that measures the time to the first byte and to the first event of each response.
private final class FirstTokenTransport: HTTPTransport {
    struct Times {
        var start: ContinuousClock.Instant
        var firstByte: ContinuousClock.Instant
        var firstEvent: ContinuousClock.Instant
    }

    private let inner: any HTTPTransport
    private let state = Mutex<Times?>(nil)

    init(inner: any HTTPTransport) {
        self.inner = inner
    }

    /// The times of the last response with an event.
    var times: Times? { state.withLock { $0 } }

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let start = ContinuousClock.now
        let response = try await inner.send(request, body: body, options: options)
        let stage = FirstEventStage(start: start) { times in self.state.withLock { $0 = times } }
        return response.replacing(body: ResponseBody(transforming: response.body, by: stage))
    }
}

/// Passes a body on as it is, and reads along until the first event.
private struct FirstEventStage: BodyTransform {
    private let start: ContinuousClock.Instant
    private let found: @Sendable (FirstTokenTransport.Times) -> Void
    private var firstByte: ContinuousClock.Instant?
    private var parser: ServerSentEventParser? = ServerSentEventParser(maxLength: 1 << 20)
    private var piece: Bytes?

    init(
        start: ContinuousClock.Instant,
        found: @escaping @Sendable (FirstTokenTransport.Times) -> Void
    ) {
        self.start = start
        self.found = found
    }

    mutating func bytesReceived(_ piece: Bytes) {
        self.piece = piece
        let firstByte = self.firstByte ?? .now
        self.firstByte = firstByte
        parser?.bytesReceived(piece)
        // An event that is too long is the reader's concern.
        guard (try? parser?.nextEvent()) != nil else { return }
        found(.init(start: start, firstByte: firstByte, firstEvent: .now))
        parser = nil
    }

    mutating func nextOutput() -> Bytes? {
        defer { piece = nil }
        return piece
    }

    func bodyEnded() {}
}
