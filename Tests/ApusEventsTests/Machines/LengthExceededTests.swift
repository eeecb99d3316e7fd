import ApusEvents
import Testing

@Suite struct LengthExceededTests {
    @Test func theDescriptionNamesThePartAndItsBound() {
        #expect("\(LengthExceeded(.line, limit: 7))" == "a line is longer than 7 bytes")
        #expect(
            "\(LengthExceeded(.event, limit: 7))"
                == "the data of an event is longer than 7 bytes")
    }
}
