package import HTTPTypes

/// What the last responses contained, so that the next ones need not make it anew: most responses
/// of a peer repeat most of their fields.
///
/// It remembers the last field of each common name, by the number that the caller's table has for
/// the name, and the last status line.
package struct RecentFields: Sendable {
    /// The longest value that is remembered, in bytes.
    private static let maxValue = 64

    /// How many names are numbered; 0 remembers nothing.
    private let names: Int
    /// The last field of each name; empty until the first one.
    private var fields: [HTTPField?] = []
    private var code = 0
    private var reason = ""
    private var head: HTTPResponse?

    /// Creates an empty memory for so many names; with 0 it remembers nothing, for responses that
    /// come once.
    package init(names: Int) {
        self.names = names
    }

    /// The last field of a name, if its value has these bytes.
    package func last(at index: Int, equalTo value: RawSpan) -> HTTPField? {
        guard index < fields.count, let last = fields[index] else { return nil }
        // The span is used within the call alone.
        let isEqual = unsafe last.withUnsafeBytesOfValue { known in
            unsafe RawSpan(_unsafeElements: known).isEqual(to: value)
        }
        return isEqual ? last : nil
    }

    /// Remembers a field whose value has so many bytes, and returns it.
    package mutating func remember(_ field: HTTPField, at index: Int, count: Int) -> HTTPField {
        guard index < names, count <= RecentFields.maxValue, field.name != .setCookie else {
            return field
        }
        if fields.isEmpty { fields = Array(repeating: nil, count: names) }
        fields[index] = field
        return field
    }

    /// A response with this status line, which is made anew only when it differs from the last.
    package mutating func response(
        code: Int, reason: String = "", _ fields: HTTPFields
    ) -> HTTPResponse {
        var response: HTTPResponse
        if let head, self.code == code, self.reason == reason {
            response = head
        } else {
            response = HTTPResponse(status: .init(code: code, reasonPhrase: reason))
            if names > 0, reason.utf8.count <= RecentFields.maxValue {
                (self.code, self.reason, head) = (code, reason, response)
            }
        }
        response.headerFields = fields
        return response
    }
}

extension RawSpan {
    /// Whether the bytes are equal to others, compared eight at a time.
    fileprivate func isEqual(to other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        var offset = 0
        // Any bytes are valid numbers, and each load checks the bounds.
        while offset + 8 <= byteCount {
            guard
                unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    == other.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            else { return false }
            offset += 8
        }
        while offset < byteCount {
            guard
                unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                    == other.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            else { return false }
            offset += 1
        }
        return true
    }
}
