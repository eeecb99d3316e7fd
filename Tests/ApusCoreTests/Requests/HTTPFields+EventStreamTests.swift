import ApusCore
import HTTPTypes
import Testing

@Suite struct HTTPFieldsEventStreamTests {
    @Test(
        arguments: [
            ("text/event-stream", true), ("Text/EVENT-Stream", true),
            ("text/event-stream;charset=utf-8", true), (" text/event-stream\t; x", true),
            ("text/event-streams", false), ("text/html", false), ("", false),
            ("application/x; text/event-stream", false),
        ] as [(String, Bool)])
    func theTypeDecidesWithoutItsParameters(type: String, isEventStream: Bool) {
        #expect(([.contentType: type] as HTTPFields).isEventStream == isEventStream)
    }

    @Test func noTypeIsNoEventStream() {
        #expect(!HTTPFields().isEventStream)
    }
}
