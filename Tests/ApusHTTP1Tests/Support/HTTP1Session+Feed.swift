import ApusHTTP1
import HTTPTypes
import Testing

/// A machine fed with text, and its events as short texts.
extension HTTP1Session {
    /// Receives a text whole and returns the events in it.
    mutating func feed(_ text: String) throws -> [String] {
        let bytes = Array(text.utf8)
        var offset = 0
        var events: [String] = []
        while let event = try nextEvent(in: bytes.span.bytes, offset: &offset) {
            switch event {
            case .informational(let response):
                events.append("informational \(response.status.code)")
            case .head(let response, let length):
                events.append("head \(response.status.code) \(length ?? 0)")
            case .body(let range): events.append("body \(range)")
            case .end: events.append("end")
            case .upgraded(let response): events.append("upgraded \(response.status.code)")
            }
        }
        #expect(offset == bytes.count)
        return events
    }

    /// Starts a GET without a body.
    mutating func startGet() {
        requestStarted(method: .get, expectsClose: false, upgrade: nil)
        requestFinished()
    }
}
