import ApusCore
import HTTPTypes

/// The fields of one section in order, and the facts that they state about the message.
struct ParsedFields {
    /// All fields received, in order, except one that is being unfolded.
    private var received = HTTPFields()
    /// The last field, when its value continues over several lines.
    private var unfolding: (name: HTTPField.Name, value: [UInt8])?
    private(set) var facts = MessageFacts()
    /// Whether the last field has no meaning to the codec.
    private(set) var isLastPlain = true

    /// How many fields were received.
    var count: Int { received.count + (unfolding == nil ? 0 : 1) }

    /// The fields as users see them.
    ///
    /// A repeated but identical Content-Length is collapsed into one (RFC 9110, section 8.6), so
    /// that no later reader interprets the list differently.
    var fields: HTTPFields {
        var received = received
        addUnfolded(to: &received)
        guard facts.isLengthRepeated, let length = facts.contentLength else { return received }
        var isKept = false
        var fields = HTTPFields()
        for field in received {
            guard field.name == .contentLength else {
                fields.append(field)
                continue
            }
            if !isKept { fields.append(HTTPField(name: field.name, value: String(length))) }
            isKept = true
        }
        return fields
    }

    /// Reads the field line that starts at `offset`.
    ///
    /// - Returns: where the next line starts; `nil` when the line's end has not come yet.
    @inline(__always)
    mutating func parseLine(
        in bytes: RawSpan, at offset: Int, names: FieldNames, recent: inout RecentFields
    ) throws(HTTP1Error) -> Int? {
        let end = bytes.byteCount
        var colon = bytes.firstColon(from: offset, atMost: names.longest) ?? offset
        // A common name is a token, so that its bytes need not be looked at one by one.
        let known = colon > offset ? names.find(offset..<colon, in: bytes) : nil
        if known == nil {
            colon = offset
            while colon < end, ASCII.isToken(bytes.byte(colon)) { colon += 1 }
            guard colon < end else { return nil }
            guard bytes.byte(colon) == ASCII.colon, colon > offset else {
                throw ParsedFields.nameFault(in: bytes, from: offset, at: colon)
            }
        }
        var start = colon + 1
        while start < end, ASCII.isBlank(bytes.byte(start)) { start += 1 }
        let lineEnd = bytes.firstControl(from: start)
        guard let next = try endOfLine(in: bytes, at: lineEnd) else { return nil }
        var valueEnd = lineEnd
        while valueEnd > start, ASCII.isBlank(bytes.byte(valueEnd - 1)) { valueEnd -= 1 }

        let field: HTTPField
        let role: FieldRole
        let value = bytes.extracting(start..<valueEnd)
        if let known {
            role = known.role
            field =
                recent.last(at: known.index, equalTo: value)
                ?? recent.remember(
                    HTTPField(known.name, validated: value), at: known.index,
                    count: value.byteCount)
        } else {
            let made = try ParsedFields.makeName(offset..<colon, in: bytes)
            role = made.role
            field = HTTPField(made.name, validated: value)
        }
        isLastPlain = role == .plain
        if role != .plain { facts.note(role, start..<valueEnd, in: bytes) }
        if unfolding != nil { endUnfolding() }
        if received.isEmpty { received.reserveCapacity(16) }
        received.append(field)
        return next
    }

    /// Appends a line to the last field's value, after one blank (RFC 9112, section 5.2).
    ///
    /// The value becomes a field when the next field begins, so each of its bytes is copied a fixed
    /// number of times, however many lines there are.
    ///
    /// - Returns: `false` when there is no field to append to.
    mutating func fold(_ more: RawSpan) throws(HTTP1Error) -> Bool {
        guard unfolding != nil || !received.isEmpty else { return false }
        guard isLastPlain else {
            throw .foldedFramingField
        }
        if unfolding == nil, let last = received.popLast() {
            unfolding = (last.name, unsafe last.withUnsafeBytesOfValue { unsafe [UInt8]($0) })
        }
        if unfolding?.value.isEmpty == false, more.byteCount > 0 {
            unfolding?.value.append(ASCII.space)
        }
        unfolding?.value.append(copying: more)
        return true
    }

    private mutating func endUnfolding() {
        addUnfolded(to: &received)
        unfolding = nil
    }

    private func addUnfolded(to fields: inout HTTPFields) {
        guard let (name, value) = unfolding else { return }
        fields.append(unsafe HTTPField(name, validated: value.span.bytes))
    }

    /// Makes a name that is not in the table; its bytes are known to be a token.
    private static func makeName(
        _ range: Range<Int>, in bytes: RawSpan
    ) throws(HTTP1Error) -> (name: HTTPField.Name, role: FieldRole) {
        let spelling = unsafe bytes.extracting(range).withUnsafeBytes {
            unsafe String(decoding: $0, as: UTF8.self)
        }
        guard let name = HTTPField.Name(spelling) else {
            throw .fieldName
        }
        return (name, FieldRole(canonicalName: name.canonicalName))
    }

    private static func nameFault(in bytes: RawSpan, from start: Int, at offset: Int) -> HTTP1Error
    {
        let byte = bytes.byte(offset)
        if offset == start {
            if ASCII.isBlank(byte) {
                return .foldedValue
            }
            if byte == ASCII.lineFeed {
                return .bareLineFeed
            }
            if byte == ASCII.colon { return .emptyFieldName }
        } else if ASCII.isBlank(byte) {
            return .blankBeforeColon
        } else if byte == ASCII.lineFeed || byte == ASCII.carriageReturn {
            return .fieldWithoutColon
        }
        return .fieldName
    }
}

/// The start of the next line, when CR LF is at `offset`; refuses any other control byte there.
///
/// - Returns: `nil` when the bytes end before the LF.
@inline(__always)
func endOfLine(in bytes: RawSpan, at offset: Int) throws(HTTP1Error) -> Int? {
    guard offset < bytes.byteCount else { return nil }
    guard bytes.byte(offset) == ASCII.carriageReturn else {
        throw lineEndFault(bytes.byte(offset))
    }
    guard offset + 1 < bytes.byteCount else { return nil }
    guard bytes.byte(offset + 1) == ASCII.lineFeed else {
        throw lineEndFault(ASCII.carriageReturn)
    }
    return offset + 2
}

private func lineEndFault(_ byte: UInt8) -> HTTP1Error {
    switch byte {
    case ASCII.lineFeed: .bareLineFeed
    case ASCII.carriageReturn: .bareCarriageReturn
    case 0: .nulByte
    default: .controlByte
    }
}

extension HTTPField {
    /// A field whose value is known to be valid.
    ///
    /// Going through a `String` is faster, but would not preserve bytes that are not UTF-8.
    @inline(__always)
    fileprivate init(_ name: Name, validated value: RawSpan) {
        self = unsafe value.withUnsafeBytes { bytes in
            value.isASCII
                ? HTTPField(name: name, value: unsafe String(decoding: bytes, as: UTF8.self))
                : unsafe HTTPField(name: name, value: bytes)
        }
    }
}
