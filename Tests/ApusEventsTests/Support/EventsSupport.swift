import Apus
import Loopback
import Synchronization

/// The `TransportError` that an operation throws; `nil` for none.
func transportError(_ operation: () async throws -> Void) async -> TransportError? {
    do {
        try await operation()
        return nil
    } catch {
        return error as? TransportError
    }
}

/// Runs with a loopback origin and an engine, and ends both.
func withOrigin(_ body: (LoopbackServer, TransportEngine) async throws -> Void) async throws {
    let server = try LoopbackServer()
    defer { server.stop() }
    let engine = try TransportEngine(.executor)
    do {
        try await body(server, engine)
    } catch {
        await engine.shutdown(drain: .zero)
        throw error
    }
    await engine.shutdown(drain: .zero)
}

/// A body whose pieces a test sends one by one.
struct HandFedBody {
    let body: ResponseBody
    private let pieces: AsyncStream<Bytes>.Continuation

    init() {
        let (stream, pieces) = AsyncStream.makeStream(of: Bytes.self)
        self.pieces = pieces
        let iterator = SharedIterator(stream)
        body = ResponseBody { () async throws(TransportError) -> Bytes? in await iterator.next() }
    }

    func send(_ text: String) { pieces.yield(Bytes(text)) }

    func finish() { pieces.finish() }
}

/// An iterator that closures may share, one at a time.
private actor SharedIterator {
    private let stream: AsyncStream<Bytes>

    init(_ stream: AsyncStream<Bytes>) {
        self.stream = stream
    }

    func next() async -> Bytes? {
        for await piece in stream { return piece }
        return nil
    }
}

/// A transport that answers by a script: the next answer for each request.
final class ScriptedTransport: HTTPTransport {
    typealias Answer = @Sendable () async throws(TransportError) -> Response

    private let state: Mutex<(answers: [Answer], requests: [HTTPRequest])>

    init(_ answers: [Answer]) {
        state = Mutex((answers.reversed(), []))
    }

    /// The requests so far.
    var requests: [HTTPRequest] { state.withLock { $0.requests } }

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let answer = state.withLock { state in
            state.requests.append(request)
            return state.answers.popLast()
        }
        guard let answer else {
            throw TransportError(.shutdown, phase: .request, message: "the script is over")
        }
        return try await answer()
    }

    /// An event stream of these pieces.
    static func stream(_ pieces: String..., failure: TransportError? = nil) -> Answer {
        { () async throws(TransportError) -> Response in
            Response(
                HTTPResponse(status: .ok, headerFields: [.contentType: "text/event-stream"]),
                body: ResponseBody(pieces.map { Bytes($0) }, failure: failure))
        }
    }

    static func answer(_ status: HTTPResponse.Status, type: String? = nil) -> Answer {
        { () async throws(TransportError) -> Response in
            var head = HTTPResponse(status: status)
            head.headerFields[.contentType] = type
            return Response(head, body: ResponseBody([Bytes("data: not read\n\n")]))
        }
    }

    static func failing(_ error: TransportError) -> Answer {
        { () async throws(TransportError) -> Response in throw error }
    }
}

/// A clock whose sleeps return at once and are recorded.
final class InstantClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration

        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }

        func duration(to other: Instant) -> Duration { other.offset - offset }

        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private let state = Mutex<(now: Duration, sleeps: [Duration])>((.zero, []))

    var now: Instant { Instant(offset: state.withLock { $0.now }) }
    var minimumResolution: Duration { .nanoseconds(1) }
    /// The sleeps so far.
    var sleeps: [Duration] { state.withLock { $0.sleeps } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        state.withLock { state in
            state.sleeps.append(deadline.offset - state.now)
            state.now = deadline.offset
        }
    }
}
