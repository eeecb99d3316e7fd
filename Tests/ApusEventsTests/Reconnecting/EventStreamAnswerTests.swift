import Apus
import ApusEvents
import Testing

/// Which responses are event streams.
@Suite struct EventStreamAnswerTests {
    private enum Word: Equatable {
        case stream, end, status, contentType
    }

    private func word(_ status: Int, _ type: String?) -> Word {
        var head = HTTPResponse(status: .init(code: status))
        head.headerFields[.contentType] = type
        switch EventStreamAnswer(head) {
        case .stream: return .stream
        case .end: return .end
        case .refusal(.status): return .status
        case .refusal: return .contentType
        }
    }

    /// The cases format-mime-trailing-semicolon, format-mime-valid-bogus.
    @Test(arguments: [
        "text/event-stream", "text/event-stream;", "text/event-stream;charset=utf-8",
        "text/event-stream ; x", "Text/Event-Stream", "text/event-stream;bogus=\"",
        " text/event-stream",
    ])
    func aTypeWithAnyParameterIsAnEventStream(_ type: String) {
        #expect(word(200, type) == .stream)
    }

    /// The case format-mime-bogus.
    @Test(arguments: [
        nil, "", ";", "text/plain", "text/event-streams", "text/event", "application/json",
        "text/x-bogus", "text/ event-stream",
    ])
    func anotherTypeIsNot(_ type: String?) {
        #expect(word(200, type) == .contentType)
    }

    /// The case request-status-error.
    @Test(arguments: [201, 205, 206, 210, 299, 301, 307, 404, 410, 429, 500, 503])
    func anotherStatusEndsTheSource(_ status: Int) {
        #expect(word(status, "text/event-stream") == .status)
    }

    @Test func a204IsTheEnd() {
        #expect(word(204, nil) == .end)
    }
}
