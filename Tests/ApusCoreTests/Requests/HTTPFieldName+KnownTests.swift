import ApusCore
import HTTPTypes
import Testing

@Suite struct HTTPFieldNameKnownTests {
    @Test func aKnownNameIsTheNameThatItSpells() {
        #expect(HTTPField.Name(known: "Content-Type") == .contentType)
        #expect(HTTPField.Name(known: "Priority").canonicalName == "priority")
    }
}
