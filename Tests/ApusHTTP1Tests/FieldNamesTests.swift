import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Common names come from a table.
@Suite struct FieldNamesTests {
    /// The table's own text is used in each head, so that a head allocates none of it.
    @Test(arguments: [
        ("strict-transport-security", true), ("Strict-Transport-Security", true),
        ("access-control-allow-origin", true), ("STRICT-transport-security", false),
        ("x-made-for-this-test-alone", false),
    ])
    func commonNamesAreMadeOnce(_ name: String, isCommon: Bool) throws {
        let places = try (0..<2).map { _ in
            var machine = HTTP1Session(limits: .init())
            machine.requestStarted(method: .get, expectsClose: false, upgrade: nil)
            let bytes = Array("HTTP/1.1 204 No\r\n\(name): value\r\n\r\n".utf8)
            var offset = 0
            guard
                case .head(let head, _)? = try machine.nextEvent(
                    in: bytes.span.bytes, offset: &offset)
            else { throw HeadMissing() }
            let field = try #require(head.headerFields.first)
            #expect(field.name.rawName == name)
            return (field, field.name.rawName)
        }
        let addresses = places.map { _, text in
            text.utf8.withContiguousStorageIfAvailable { UInt(bitPattern: $0.baseAddress) }
        }
        #expect((addresses[0] == addresses[1]) == isCommon)
    }

    private struct HeadMissing: Error {}
}
