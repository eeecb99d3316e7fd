import HTTPTypes

/// What the last responses contained, so that the next ones need not make it anew: most responses
/// of a peer repeat most of their fields.
///
/// It remembers the last field of each common name and the last status line.
package struct RecentFields {
    /// The longest value that is remembered, in bytes.
    private static let maxValue = 64

    private let isKept: Bool
    /// The last field of each common name; empty until the first one.
    private var fields: [HTTPField?] = []
    private var code = 0
    private var reason = ""
    private var head: HTTPResponse?

    /// Creates an empty memory.
    package init() { isKept = true }

    private init(isKept: Bool) { self.isKept = isKept }

    /// A memory that remembers nothing, for responses that come once.
    static let none = RecentFields(isKept: false)

    /// A field of a common name: the last one again when its value is the same.
    ///
    /// - Parameter value: bytes that are valid in a value.
    @inline(__always)
    mutating func field(
        _ name: HTTPField.Name, at index: Int, _ value: RawSpan
    ) -> HTTPField {
        if index < fields.count, let last = fields[index], RecentFields.isValue(of: last, value) {
            return last
        }
        return remember(HTTPField(name, validated: value), at: index, value.byteCount)
    }

    private mutating func remember(
        _ field: HTTPField, at index: Int, _ count: Int
    ) -> HTTPField {
        guard isKept, count <= RecentFields.maxValue, field.name != .setCookie else { return field }
        if fields.isEmpty { fields = Array(repeating: nil, count: FieldNames.common.count) }
        fields[index] = field
        return field
    }

    /// A response with this status line, which is made anew only when it differs from the last.
    mutating func response(_ line: HeadParser.StatusLine, _ fields: HTTPFields) -> HTTPResponse {
        if line.code == code, line.reason == reason, var response = head {
            response.headerFields = fields
            return response
        }
        let response = HTTPResponse(
            status: .init(code: line.code, reasonPhrase: line.reason))
        if isKept, line.reason.utf8.count <= RecentFields.maxValue {
            (code, reason, head) = (line.code, line.reason, response)
        }
        var result = response
        result.headerFields = fields
        return result
    }

    private static func isValue(of field: HTTPField, _ value: RawSpan) -> Bool {
        // The span is used within the call alone.
        unsafe field.withUnsafeBytesOfValue { known in
            unsafe RawSpan(_unsafeElements: known).isEqual(to: value)
        }
    }
}

extension HTTPField {
    /// A field whose value is known to be valid.
    ///
    /// Going through a `String` is faster, but would not preserve bytes that are not UTF-8.
    @inline(__always)
    init(_ name: Name, validated value: RawSpan) {
        self = unsafe value.withUnsafeBytes { bytes in
            value.isASCII
                ? HTTPField(name: name, value: unsafe String(decoding: bytes, as: UTF8.self))
                : unsafe HTTPField(name: name, value: bytes)
        }
    }
}
