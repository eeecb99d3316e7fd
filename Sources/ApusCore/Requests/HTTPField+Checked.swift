public import HTTPTypes

// Fields made from untrusted text.
//
// `HTTPField(name:value:)` replaces each CR, LF and NUL by a blank, so that such a request is sent.
// These initialisers refuse such text.
extension HTTPField {
    /// Creates a field from an untrusted value, which is refused instead of repaired.
    ///
    /// Blanks and tabs at both ends are no part of a value (RFC 9110, section 5.5) and are removed.
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
                    reason: "contains a control byte in its value (\(byte))"))
        }
        self.init(name: name, value: bytes)
    }

    /// Creates a field from an untrusted name and value.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` when the name is not a token (RFC 9110,
    ///   section 5.1), or the value is refused by `init(name:checking:)`.
    public init(checkingName name: String, value: String) throws(TransportError) {
        guard let token = Name(name) else {
            throw TransportError(InvalidRequest(field: "name", reason: "is not a field name"))
        }
        try self.init(name: token, checking: value)
    }
}
