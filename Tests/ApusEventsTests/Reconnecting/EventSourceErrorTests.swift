import Apus
import ApusEvents
import Testing

@Suite struct EventSourceErrorTests {
    private static let reset = TransportError(.reset, phase: .body, message: "it was reset")

    @Test(arguments: [
        (EventSourceError.status(HTTPResponse(status: .notFound)), "answered 404"),
        (.contentType("text/plain"), "\"text/plain\""), (.contentType(nil), "no Content-Type"),
        (.transport(reset), "it was reset"),
        (.gaveUp(failures: 4, last: reset), "4 connections in a row"),
        (.gaveUp(failures: 4, last: nil), "without an event"),
    ])
    func theDescriptionNamesTheReason(_ error: EventSourceError, _ words: String) {
        #expect("\(error)".contains(words))
    }

    @Test func theTransportsErrorIsKept() {
        #expect(EventSourceError.transport(Self.reset).transportError?.kind == .reset)
        #expect(EventSourceError.gaveUp(failures: 1, last: Self.reset).transportError != nil)
        #expect(EventSourceError.gaveUp(failures: 1, last: nil).transportError == nil)
        #expect(EventSourceError.contentType(nil).transportError == nil)
        #expect(EventSourceError.status(HTTPResponse(status: .gone)).transportError == nil)
    }
}
