import HTTPTypes
import Testing

@testable import ApusHTTP2

@Suite struct FieldNamesTests {
    private static func index(of text: String) -> Int? {
        Array(text.utf8).withUnsafeBufferPointer { FieldNames.common.index(of: $0) }
    }

    @Test func everyCommonNameIsFound() {
        let names = FieldNames.common
        #expect(names.count > 60)
        for index in 0..<names.count {
            #expect(Self.index(of: names[index].canonicalName) == index)
        }
    }

    @Test(arguments: ["", "x-other", "content-typ", "content-types", "Content-Type", "date "])
    func anotherNameIsNotFound(text: String) {
        #expect(Self.index(of: text) == nil)
    }

    @Test func aNameKeepsItsSpelling() throws {
        let index = try #require(Self.index(of: "content-type"))
        #expect(FieldNames.common[index] == .contentType)
    }
}
