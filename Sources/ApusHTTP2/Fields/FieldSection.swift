import ApusCore
import HTTPTypes

/// One header or trailer section while it is decoded, against its bounds.
///
/// Sections never interleave on a connection (RFC 9113, section 4.3), so a session has one of
/// these.
struct FieldSection {
    /// What to do after a field.
    enum Verdict {
        case keep
        /// Beyond a bound for the first time; from here on fields are counted and thrown away.
        case tooLarge(HTTP2Excess)
        /// Four times beyond it: a bomb (CVE-2016-6581), worth the connection.
        case bomb
        /// A name or a value that HTTPTypes cannot hold.
        case malformed
    }

    /// A section that grows to this many times a bound ends the connection.
    private static let bombFactor = 4

    /// The stream that the section is for; `nil` between sections.
    private(set) var stream: HTTP2Stream?
    /// The value of `:status`; 0 in a trailer section.
    private(set) var status = 0
    /// Names, values and 32 bytes for each field (RFC 9113, section 6.5.2).
    private(set) var byteCount = 0
    /// The same of the fields that are kept.
    var keptByteCount: Int { stream == nil || isDiscarding ? 0 : byteCount }
    private var fieldCount = 0
    private var isDiscarding = false

    /// The fields that are kept, and the last head.
    private var recent = RecentFields()

    private let maxBytes: Int
    private let maxFields: Int
    private let names = FieldNames.common

    init(limits: EngineTuning.Limits) {
        maxBytes = limits.headBytes
        maxFields = limits.headFields
    }

    mutating func begin(for stream: HTTP2Stream) {
        self.stream = stream
        recent.begin()
        status = 0
        byteCount = 0
        fieldCount = 0
        isDiscarding = false
    }

    mutating func end() {
        stream = nil
        recent.begin()
    }

    /// Keeps a field, or says why not.
    mutating func add(
        _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
    ) -> Verdict {
        byteCount += name.count + value.count + 32
        // The status is no field: the bound means on either version the same.
        let isPseudo = name.first == UInt8(ascii: ":")
        if !isPseudo { fieldCount += 1 }
        if byteCount > maxBytes || fieldCount > maxFields { return exceeded() }
        guard !isDiscarding else { return .keep }
        if isPseudo {
            // nghttp2 let no other through than one `:status` of three digits.
            status = value.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
            return .keep
        }
        let nameBytes = RawSpan(_unsafeElements: name)
        let valueBytes = RawSpan(_unsafeElements: value)
        if recent.repeats(name: nameBytes, value: valueBytes) { return .keep }
        guard
            let known = names.index(of: name).map({ names[$0] })
                ?? HTTPField.Name(parsed: String(decoding: name, as: UTF8.self))
        else {
            discard()
            return .malformed
        }
        let line = RecentFields.Line(value: name.count..<name.count + value.count)
        recent.add(HTTPField(name: known, value: value), line, nameBytes, valueBytes)
        return .keep
    }

    /// The head of a final or informational response.
    mutating func response() -> HTTPResponse {
        guard status < 200 else { return recent.finish(code: status) }
        return HTTPResponse(status: .init(code: status), headerFields: recent.takeFields())
    }

    /// The fields of a trailer section.
    mutating func trailers() -> HTTPFields { recent.takeFields() }

    /// Keeps nothing of this section from here on.
    mutating func discard() {
        isDiscarding = true
        recent.begin()
    }

    private mutating func exceeded() -> Verdict {
        if byteCount / Self.bombFactor > maxBytes || fieldCount / Self.bombFactor > maxFields {
            return .bomb
        }
        guard !isDiscarding else { return .keep }
        discard()
        return byteCount > maxBytes
            ? .tooLarge(.fieldBytes(most: maxBytes)) : .tooLarge(.fields(most: maxFields))
    }
}
