import ApusCore
import HTTPTypes
import Testing

/// What is remembered, and at which bounds.
@Suite struct RecentFieldsTests {
    private func field(_ name: HTTPField.Name, _ value: String) -> HTTPField {
        HTTPField(name: name, value: value)
    }

    private func last(_ memory: RecentFields, _ index: Int, _ value: String) -> HTTPField? {
        memory.last(at: index, equalTo: Array(value.utf8).span.bytes)
    }

    @Test(arguments: 0...64)
    func aValueIsFoundByItsBytes(count: Int) {
        let value = String(repeating: "v", count: count)
        var memory = RecentFields(names: 3)
        let kept = memory.remember(field(.server, value), at: 2, count: count)
        #expect(last(memory, 2, value) == kept)
        #expect(last(memory, 1, value) == nil)
        #expect(last(memory, 2, value + "v") == nil)
        #expect(last(memory, 2, String(value.dropLast()) + "w") == nil)
    }

    @Test func aLongValueAndACookieAreNotKept() {
        var memory = RecentFields(names: 3)
        let long = String(repeating: "v", count: 65)
        _ = memory.remember(field(.server, long), at: 0, count: 65)
        _ = memory.remember(field(.setCookie, "a=b"), at: 1, count: 3)
        #expect(last(memory, 0, long) == nil)
        #expect(last(memory, 1, "a=b") == nil)
    }

    @Test func aMemoryWithoutNamesKeepsNothing() {
        var memory = RecentFields(names: 0)
        _ = memory.remember(field(.server, "a"), at: 0, count: 1)
        #expect(last(memory, 0, "a") == nil)
    }

    @Test func aResponseHasItsOwnStatusAndFields() {
        var memory = RecentFields(names: 1)
        for (code, reason) in [(200, "OK"), (200, "OK"), (200, "Fine"), (404, "Fine"), (200, "")] {
            let fields: HTTPFields = [.server: "\(code)"]
            let response = memory.response(code: code, reason: reason, fields)
            #expect(response.status == .init(code: code, reasonPhrase: reason))
            #expect(response.status.reasonPhrase == reason)
            #expect(response.headerFields == fields)
        }
    }
}
