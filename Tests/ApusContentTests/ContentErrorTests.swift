import Apus
import ApusContent
import Testing

@Suite struct ContentErrorTests {
    @Test(arguments: [
        (ContentError.Kind.malformed, TransportError.Kind.malformed), (.truncated, .truncated),
        (.tooLarge, .tooLarge), (.unavailable, .malformed), (.outOfMemory, .resource(errno: 12)),
    ])
    func itIsAnErrorOfTheBody(kind: ContentError.Kind, expected: TransportError.Kind) {
        let error = ContentError(kind, coding: "gzip", message: "a reason").transportError
        #expect(error.kind == expected)
        #expect(error.phase == .body)
        #expect(error.message == "gzip: a reason")
        #expect(error.replay == .responseStarted)
    }
}
