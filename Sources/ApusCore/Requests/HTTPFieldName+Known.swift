package import HTTPTypes

/// Field names that the program itself spells.
extension HTTPField.Name {
    /// A name that the program itself spells.
    ///
    /// - Precondition: the text is a token (RFC 9110, section 5.1).
    package init(known text: String) {
        guard let name = Self(text) else { preconditionFailure("\(text) is not a field name") }
        self = name
    }
}
