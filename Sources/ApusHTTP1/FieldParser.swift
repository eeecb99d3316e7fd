import ApusCore
import HTTPTypes

/// The fields of one section in order, and the facts that they state about the message.
struct ParsedFields {
    /// All fields received, in order, except those in the memory and one that is being unfolded.
    private var received = HTTPFields()
    /// How many fields are in the memory of the last head, while they are there.
    private var remembered: Int?
    /// The last field, when its value continues over several lines.
    private var unfolding: (name: HTTPField.Name, value: [UInt8])?
    private(set) var facts = MessageFacts()
    /// Whether the last field has no meaning to the codec.
    private(set) var isLastPlain = true

    /// How many fields were received.
    var count: Int { remembered ?? received.count + (unfolding == nil ? 0 : 1) }

    /// Whether the fields are in the memory of the last head.
    var isRemembered: Bool { remembered != nil }

    /// The fields are put into the memory of the last head, until they are taken from there.
    mutating func begin(in recent: inout RecentFields) {
        recent.begin()
        remembered = 0
    }

    /// Takes the fields out of the memory, which other heads may use from here on.
    mutating func take(from recent: inout RecentFields) {
        guard isRemembered else { return }
        received = recent.takeFields()
        remembered = nil
    }

    /// The head that these fields complete, remembered where it came whole.
    mutating func response(
        to line: HeadParser.StatusLine, _ recent: inout RecentFields
    ) -> HTTPResponse {
        guard !isRemembered || facts.isLengthRepeated || line.code < 200 else {
            return recent.finish(code: line.code, reason: line.reason)
        }
        take(from: &recent)
        let status = HTTPResponse.Status(code: line.code, reasonPhrase: line.reason)
        return HTTPResponse(status: status, headerFields: fields)
    }

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
        if isRemembered, let (line, count) = recent.repeats(bytes, at: offset) {
            remembered = recent.count
            note(FieldRole(rawValue: line.role) ?? .plain, at: offset, line.value, in: bytes)
            return offset + count
        }
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

        let value = bytes.extracting(start..<valueEnd)
        let (name, role) =
            if let known { known } else {
                try ParsedFields.makeName(offset..<colon, in: bytes)
            }
        let field = HTTPField(name, validated: value)
        note(role, at: offset, start - offset..<valueEnd - offset, in: bytes)
        if isRemembered {
            let line = RecentFields.Line(
                value: start - offset..<valueEnd - offset, role: role.rawValue)
            recent.add(field, line, bytes.extracting(offset..<next))
            remembered = recent.count
            return next
        }
        if unfolding != nil { endUnfolding() }
        if received.isEmpty { received.reserveCapacity(16) }
        received.append(field)
        return next
    }

    /// Notes what a field says to the codec; its value is at a range of its line.
    @inline(__always)
    private mutating func note(
        _ role: FieldRole, at offset: Int, _ value: Range<Int>, in bytes: RawSpan
    ) {
        isLastPlain = role == .plain
        guard role != .plain else { return }
        facts.note(
            role, offset + value.lowerBound..<offset + value.upperBound, in: bytes)
    }

    /// Appends a line to the last field's value, after one blank (RFC 9112, section 5.2).
    ///
    /// The value becomes a field when the next field begins, so each of its bytes is copied a fixed
    /// number of times, however many lines there are.
    /// The fields must have been taken from the memory.
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
