package import HTTPTypes

/// The last response head, so that the next one is made of its parts: most responses of a peer
/// repeat most of their fields.
///
/// A reader calls `begin`, then for each field `repeats` and, where that is `nil`, `add`, at last
/// `finish`. While each field equals the one at its place in the last head, nothing is made; from
/// the first that differs on, the last head's list is copied once, and edited.
package struct RecentFields: Sendable {
    /// Where a field is in the bytes, and what it means to its reader.
    package struct Line: Sendable {
        /// The start and the end of the value, from the start of the line.
        package let value: Range<Int>
        /// The reader's own number.
        package let role: UInt8
        /// The start and the end in the bytes of all lines.
        fileprivate var start = 0
        fileprivate var end = 0

        package init(value: Range<Int>, role: UInt8 = 0) {
            self.value = value
            self.role = role
        }
    }

    /// The fields of a head as they were received.
    private struct Lines {
        /// One after the other.
        private(set) var bytes: [UInt8] = []
        private(set) var lines: [Line] = []

        var count: Int { lines.count }

        /// Adds a line, whose bytes are those of both parts.
        mutating func append(_ line: Line, _ part: RawSpan, _ secondPart: RawSpan) {
            var line = line
            line.start = bytes.count
            bytes.append(copying: part)
            bytes.append(copying: secondPart)
            line.end = bytes.count
            lines.append(line)
        }

        /// Adds a line of another head.
        mutating func append(_ line: Line, from other: Lines) {
            var own = line
            own.start = bytes.count
            bytes.append(contentsOf: other.bytes[line.start..<line.end])
            own.end = bytes.count
            lines.append(own)
        }

        /// Whether the input goes on with a line.
        func isRepeated(_ line: Line, in input: RawSpan, at offset: Int) -> Bool {
            unsafe bytes.span.bytes.extracting(line.start..<line.end).isEqual(to: input, at: offset)
        }

        /// Whether a line has this name and this value.
        func isRepeated(_ line: Line, name: RawSpan, value: RawSpan) -> Bool {
            guard line.value == name.byteCount..<name.byteCount + value.byteCount else {
                return false
            }
            let line = unsafe bytes.span.bytes.extracting(line.start..<line.end)
            return line.extracting(first: name.byteCount).isEqual(to: name, at: 0)
                && line.extracting(last: value.byteCount).isEqual(to: value, at: 0)
        }

        /// Begins again with so many lines of another head.
        mutating func restart(with count: Int, of other: Lines) {
            lines.removeAll(keepingCapacity: true)
            lines.append(contentsOf: other.lines[..<count])
            bytes.removeAll(keepingCapacity: true)
            bytes.append(contentsOf: other.bytes[..<(count == 0 ? 0 : lines[count - 1].end)])
        }
    }

    private enum Progress {
        /// All fields so far equal the last head's.
        case same
        /// `made` is the last head's list, with other fields at some of the places so far.
        case edited
        /// `made` has the fields so far, and no others.
        case appended
    }

    /// The most bytes of fields that are remembered.
    private static let maxBytes = 8 * 1024

    private var head: HTTPResponse?
    private var code = 0
    private var reason = ""
    private var statusLine: [UInt8] = []
    /// The fields of `head`.
    private var known = Lines()

    // The head at hand.
    private var progress = Progress.same
    /// How many fields it has so far.
    package private(set) var count = 0
    private var made = HTTPFields()
    private var nextStatusLine: [UInt8] = []
    /// What will be `known`, once something differs.
    private var next = Lines()

    /// Creates an empty memory.
    package init() {}

    /// A head begins.
    package mutating func begin() {
        progress = .same
        count = 0
        if !made.isEmpty { made = HTTPFields() }
        nextStatusLine.removeAll(keepingCapacity: true)
    }

    // MARK: Status lines

    /// The status of the last head, where the input goes on with its status line, which has so
    /// many bytes.
    package func repeatedStatus(
        in input: RawSpan, at offset: Int
    ) -> (code: Int, reason: String, count: Int)? {
        let count = statusLine.count
        guard count > 0, head != nil,
            unsafe statusLine.span.bytes.isEqual(to: input, at: offset)
        else { return nil }
        return (code, reason, count)
    }

    /// The head has another status line than the last one.
    package mutating func setStatusLine(_ line: RawSpan) {
        guard line.byteCount <= RecentFields.maxBytes else { return }
        nextStatusLine.append(copying: line)
    }

    // MARK: Fields

    /// The next field, if the input goes on with the line that the last head has at this place.
    package mutating func repeats(_ input: RawSpan, at offset: Int) -> (line: Line, count: Int)? {
        guard count < known.count, progress != .appended else { return nil }
        let line = known.lines[count]
        guard known.isRepeated(line, in: input, at: offset) else { return nil }
        if progress == .edited { next.append(line, from: known) }
        count += 1
        return (line, line.end - line.start)
    }

    /// Whether the next field is the one that the last head has at this place.
    package mutating func repeats(name: RawSpan, value: RawSpan) -> Bool {
        guard count < known.count, progress != .appended else { return false }
        let line = known.lines[count]
        guard known.isRepeated(line, name: name, value: value) else { return false }
        if progress == .edited { next.append(line, from: known) }
        count += 1
        return true
    }

    /// The next field differs from the last head's; its bytes are those of both parts.
    package mutating func add(
        _ field: HTTPField, _ line: Line, _ part: RawSpan, _ secondPart: RawSpan = RawSpan()
    ) {
        if progress == .same { diverge() }
        // A head with more bytes is not remembered.
        let size = next.bytes.count + part.byteCount + secondPart.byteCount
        if next.count == count, size <= RecentFields.maxBytes {
            next.append(line, part, secondPart)
        }
        place(field)
        count += 1
    }

    /// From here on the head at hand has a list of its own.
    private mutating func diverge() {
        made = head?.headerFields ?? HTTPFields()
        progress = count < made.count ? .edited : .appended
        next.restart(with: count, of: known)
    }

    /// Puts a field into the list: in place of one of its name, else after the fields so far.
    private mutating func place(_ field: HTTPField) {
        if progress == .edited, count < made.count,
            made[count].name.rawName == field.name.rawName
        {
            made[count] = field
            return
        }
        trim()
        progress = .appended
        if made.isEmpty { made.reserveCapacity(16) }
        made.append(field)
    }

    /// Removes what the last head had after the fields so far.
    private mutating func trim() {
        if count == 0 {
            made = HTTPFields()
        } else if made.count > count {
            made.removeLast(made.count - count)
        }
    }

    // MARK: Ends

    /// The head at hand, whole, with this status; it is the last one from here on.
    package mutating func finish(code: Int, reason: String = "") -> HTTPResponse {
        let hasSameFields = progress == .same && count == known.count
        var response: HTTPResponse
        if let head, self.code == code, self.reason == reason {
            if hasSameFields { return head }
            response = head
        } else {
            response = HTTPResponse(status: .init(code: code, reasonPhrase: reason))
            swap(&statusLine, &nextStatusLine)
        }
        if hasSameFields {
            response.headerFields = head?.headerFields ?? HTTPFields()
        } else {
            response.headerFields = takeFields()
            swap(&known, &next)
        }
        (self.code, self.reason, head) = (code, reason, response)
        // Some of its fields had too many bytes to be remembered.
        if known.count != count { forget() }
        return response
    }

    /// The fields so far; the last head stays what it was, and nothing more is added.
    package mutating func takeFields() -> HTTPFields {
        if progress == .same { diverge() }
        trim()
        progress = .appended
        let fields = made
        made = HTTPFields()
        return fields
    }

    /// Too much to remember.
    private mutating func forget() {
        head = nil
        statusLine = []
        known = Lines()
    }
}

extension RawSpan {
    /// Whether others have these bytes from an offset on, compared eight at a time.
    @inline(__always)
    fileprivate func isEqual(to other: RawSpan, at start: Int) -> Bool {
        guard byteCount <= other.byteCount - start else { return false }
        var offset = 0
        // Any bytes are valid numbers, and each load checks the bounds.
        while offset + 8 <= byteCount {
            guard
                unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    == other.unsafeLoadUnaligned(fromByteOffset: start + offset, as: UInt64.self)
            else { return false }
            offset += 8
        }
        if byteCount >= 8 {
            // The last eight, some of which were compared before.
            offset = byteCount - 8
            return unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
                == other.unsafeLoadUnaligned(fromByteOffset: start + offset, as: UInt64.self)
        }
        while offset < byteCount {
            guard
                unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                    == other.unsafeLoad(fromByteOffset: start + offset, as: UInt8.self)
            else { return false }
            offset += 1
        }
        return true
    }
}
