import ApusWebSocket
import Testing

@Suite struct ExtensionElementTests {
    private func list(_ values: String...) -> String? {
        ExtensionElement.list(values)?.map { element in
            element.name
                + element.parameters.map { ";\($0.name)" + ($0.value.map { "=\($0)" } ?? "") }
                .joined()
        }.joined(separator: ",")
    }

    @Test func listsAreRead() {
        #expect(list() == "")
        #expect(list("foo") == "foo")
        #expect(list(" foo ;\tBar = 1 ; baz=\"x\" , qux", "last") == "foo;bar=1;baz=x,qux,last")
        #expect(list(",, foo ,") == "foo")
    }

    @Test(arguments: [";", "a;", "a;;b", "a b", "a;b=", "a;b=\"\"", "a;b=c d", "a;=1", "é"])
    func malformedListsAreRefused(value: String) {
        #expect(list(value) == nil)
        #expect(list("good", value) == nil)
    }
}
