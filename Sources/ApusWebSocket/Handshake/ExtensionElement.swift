import Apus

/// One element of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).
package struct ExtensionElement: Sendable, Hashable {
    /// A parameter, with or without a value.
    package struct Parameter: Sendable, Hashable {
        /// The name, in lower case.
        package var name: String
        /// The value, without quotes; `nil` without one.
        package var value: String?
    }

    /// The name of the extension, in lower case.
    package var name: String
    /// The parameters, in order.
    package var parameters: [Parameter]

    /// Reads the values of all fields of that name; `nil` when they are malformed.
    package static func list(_ values: [String]) -> [ExtensionElement]? {
        var elements: [ExtensionElement] = []
        for value in values {
            for part in value.utf8.split(separator: UInt8(ascii: ",")) {
                let text = trimmed(part)
                if text.isEmpty { continue }
                guard let element = ExtensionElement(text) else { return nil }
                elements.append(element)
            }
        }
        return elements
    }

    private init?(_ text: Substring.UTF8View) {
        let parts = text.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
            .map(Self.trimmed)
        guard let first = parts.first, let name = Self.token(first) else { return nil }
        self.name = name.lowercased()
        parameters = []
        for part in parts.dropFirst() {
            let pair = part.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = pair.first.map(Self.trimmed).flatMap(Self.token) else { return nil }
            var parameter = Parameter(name: name.lowercased(), value: nil)
            if pair.count == 2 {
                var value = Self.trimmed(pair[1])
                if value.count >= 2, value.first == UInt8(ascii: "\""),
                    value.last == UInt8(ascii: "\"")
                {
                    value = value.dropFirst().dropLast()
                }
                guard let text = Self.token(value) else { return nil }
                parameter.value = text
            }
            parameters.append(parameter)
        }
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var text = text.drop(while: isBlank)
        while let last = text.last, isBlank(last) { text = text.dropLast() }
        return text
    }

    /// A token (RFC 9110, section 5.6.2); `nil` for anything else.
    private static func token(_ text: Substring.UTF8View) -> String? {
        let text = String(Substring(text))
        return isToken(text) ? text : nil
    }

    /// Whether a text is a token, which is what a field's name is.
    static func isToken(_ text: String) -> Bool { HTTPField.Name(text) != nil }
}
