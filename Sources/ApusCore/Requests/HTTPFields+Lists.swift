package import HTTPTypes

// Values that are lists.
extension HTTPFields {
    /// The elements of the comma-separated lists in all fields of a name, in order, without blanks
    /// around them and in lower case; empty ones are left out (RFC 9110, section 5.6.1).
    package func elements(of name: HTTPField.Name) -> [String] {
        self[values: name].flatMap { value in
            value.split(separator: ",").compactMap { element in
                var text = element.drop { $0 == " " || $0 == "\t" }
                while text.last == " " || text.last == "\t" { text.removeLast() }
                return text.isEmpty ? nil : text.lowercased()
            }
        }
    }
}
