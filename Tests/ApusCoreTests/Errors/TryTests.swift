import ApusCore
import Testing

/// A try is described by where it went and what came of it.
@Suite struct TryTests {
    @Test func aDescriptionNamesChoiceUrlAndResult() {
        let error = TransportError(.reset, phase: .head, message: "the peer reset it")
        #expect(Try(.status(503)).description == "503")
        #expect(Try(.status(503), choice: "key 2").description == "key 2: 503")
        #expect(
            Try(.failed(error), url: "https://a.example/v1").description
                == "https://a.example/v1: connection reset: the peer reset it")
        #expect(
            Try(.status(200), choice: "key 2", url: "https://a.example/v1").description
                == "key 2 at https://a.example/v1: 200")
    }

    @Test func anErrorListsItsTries() {
        var error = TransportError(.reset, phase: .head, message: "m")
        #expect(error.tries.isEmpty)
        error.tries = [Try(.status(429), choice: "a"), Try(.failed(error), choice: "b")]
        #expect(error.description.contains(" (tries: a: 429; b: connection reset: m) "))
    }
}
