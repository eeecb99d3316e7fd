public import HTTPTypes

// Fields of text that somebody else has chosen.
//
// `HTTPField(name:value:)` puts a blank in the place of each CR, LF and NUL, so that a request made
// of such text is sent and nothing is refused. These refuse.
extension HTTPField {
    /// A field whose value is not trusted: refused instead of repaired.
    ///
    /// Blanks and tabs at the ends are no part of a value (RFC 9110, section 5.5) and are left out.
    /// - Throws: `TransportError` of kind `invalidRequest`, naming the field and never its value,
    ///   when the value has a control byte other than a tab: CR, LF and NUL among them.
    public init(name: Name, checking value: String) throws(TransportError) {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        let rest = value.utf8.drop(while: isBlank)
        let end = rest.lastIndex { !isBlank($0) }.map { rest.index(after: $0) }
        let bytes = rest[..<(end ?? rest.startIndex)]
        if let byte = bytes.first(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }) {
            throw TransportError(
                InvalidRequest(
                    field: name.canonicalName,
                    reason: "has a control byte in its value (\(byte))"))
        }
        self.init(name: name, value: bytes)
    }

    /// A field of which neither name nor value is trusted.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` when the name is no token (RFC 9110,
    ///   section 5.1), or the value is refused by `init(name:checking:)`.
    public init(checkingName name: String, value: String) throws(TransportError) {
        guard let token = Name(name) else {
            throw TransportError(InvalidRequest(field: "name", reason: "is no field name"))
        }
        try self.init(name: token, checking: value)
    }
}
