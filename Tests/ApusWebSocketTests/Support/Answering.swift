import Apus
import ApusWebSocket
import Synchronization
import Testing

/// A transport that keeps requests and answers all of them alike.
final class Answering: HTTPTransport {
    private let answer: HTTPResponse
    private let body: Bytes
    private let seen = Mutex<[(HTTPRequest, RequestOptions)]>([])

    init(_ answer: HTTPResponse, body: Bytes = .empty) {
        self.answer = answer
        self.body = body
    }

    var requests: [(HTTPRequest, RequestOptions)] { seen.withLock { $0 } }

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        seen.withLock { $0.append((request, options)) }
        return Response(answer, body: ResponseBody([self.body]))
    }
}

/// The error that an operation throws; anything else is an issue.
func webSocketError(_ operation: () async throws -> Void) async -> WebSocketError? {
    do {
        try await operation()
        Issue.record("no error was thrown")
        return nil
    } catch let error as WebSocketError {
        return error
    } catch {
        Issue.record("another error was thrown: \(error)")
        return nil
    }
}

/// Waits until a condition holds; a guard against hanging, not a measure of time.
func eventually(
    _ what: String, within limit: Duration = .seconds(120),
    _ condition: () async -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: limit)
    while !(await condition()) {
        guard clock.now < end else {
            Issue.record("never happened: \(what)")
            return
        }
        try await clock.sleep(for: .milliseconds(2))
    }
}
