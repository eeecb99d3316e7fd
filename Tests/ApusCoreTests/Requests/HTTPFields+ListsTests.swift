import ApusCore
import HTTPTypes
import Testing

/// Lists that are split over fields, with and without blanks.
@Suite struct HTTPFieldsListsTests {
    @Test(arguments: [
        ([], []), ([""], []), ([" , ,\t"], []), (["a"], ["a"]),
        ([" A ,b\t", "c"], ["a", "b", "c"]),
        (["close, X-Own,,", "close"], ["close", "x-own", "close"]), (["a b"], ["a b"]),
    ])
    func elementsAreTrimmedAndInLowerCase(_ values: [String], _ expected: [String]) {
        var fields = HTTPFields()
        for value in values { fields.append(HTTPField(name: .connection, value: value)) }
        fields.append(HTTPField(name: .via, value: "other"))
        #expect(fields.elements(of: .connection) == expected)
    }
}
