import Apus
import ApusEvents

/// The code of the guide `ApusEvents`, word for word: it compiles, and no test runs it.
private enum GuideExamples {
    static func handle(_ type: String, _ data: Bytes) {}

    static func consume(_ line: Bytes) {}

    static func sendHeartbeat() {}

    static func events(_ engine: TransportEngine, _ request: HTTPRequest) async throws {
        let response = try await engine.send(request)
        for try await event in response.body.serverSentEvents(maxLength: 10 << 20) {
            if event.text == "[DONE]" { break }  // the exchange ends when the body is released
            handle(event.type, event.data)
        }
    }

    static func lines(_ response: Response) async throws {
        for try await line in response.body.lines(maxLength: 50 << 20) {
            consume(line)
        }
    }

    static func heartbeats(_ response: Response) async throws {
        var events = response.body.serverSentEvents().makeAsyncIterator()
        while true {
            switch try await events.next(until: .now + .seconds(15)) {
            case .element(let event): handle(event.type, event.data)
            case .nothing: sendHeartbeat()
            case .end: return
            }
        }
    }

    static func firstToken(
        _ engine: TransportEngine, _ request: HTTPRequest
    ) async throws -> (ServerSentEvent?, Duration) {
        let start = ContinuousClock.now
        let response = try await engine.send(request)
        var events = response.body.serverSentEvents().makeAsyncIterator()
        let first = try await events.next()
        let timeToFirstToken = ContinuousClock.now - start
        return (first, timeToFirstToken)
    }

    static func reconnecting(_ engine: TransportEngine, _ request: HTTPRequest) async throws {
        var policy = ReconnectionPolicy()
        policy.maxFailures = 5
        for try await event in EventSource(engine, request, policy: policy) {
            handle(event.type, event.data)
        }
    }
}
