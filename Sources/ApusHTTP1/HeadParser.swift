import ApusCore
import HTTPTypes

/// Parses a response head, or the trailers after a chunked body, from pieces of any size.
///
/// A line within one input is parsed in place. Only a line that is cut by the end of an input is
/// copied, and it is parsed when it is complete: so the result never depends on how bytes were
/// split.
struct HeadParser {
    /// The first line of a response.
    struct StatusLine {
        /// The x of HTTP/1.x.
        var minorVersion: UInt8
        var code: Int
        var reason: String
    }

    private enum Line {
        case complete
        case incomplete
        /// The empty line that ends the section.
        case last
    }

    private(set) var statusLine: StatusLine?
    private(set) var fields = ParsedFields()
    private let hasStatusLine: Bool
    private let lenience: EngineTuning.Lenience
    /// Bytes of whole lines so far.
    private var lineBytes = 0
    /// The start of a line whose end was not received yet; at most `limits.headBytes` and one byte.
    private var partial: [UInt8] = []

    /// A parser for a response head.
    static func head(_ lenience: EngineTuning.Lenience) -> HeadParser {
        HeadParser(hasStatusLine: true, lenience)
    }
    /// A parser for a trailer section.
    static func trailers(_ lenience: EngineTuning.Lenience) -> HeadParser {
        HeadParser(hasStatusLine: false, lenience)
    }

    private init(hasStatusLine: Bool, _ lenience: EngineTuning.Lenience) {
        self.hasStatusLine = hasStatusLine
        self.lenience = lenience
    }

    /// Whether the section has begun.
    var hasBegun: Bool { lineBytes > 0 || !partial.isEmpty }

    /// Parses up to the end of the section or of the input.
    ///
    /// - Parameter recent: the last head, parts of which may be used again.
    /// - Returns: whether the section is complete.
    mutating func parse(
        _ input: RawSpan, at offset: inout Int, limits: EngineTuning.Limits,
        recent: inout RecentFields
    ) throws(HTTP1Error) -> Bool {
        let names = FieldNames.common
        if hasStatusLine, !hasBegun { fields.begin(in: &recent) }
        while offset < input.byteCount {
            if !partial.isEmpty {
                guard try completePartial(from: input, at: &offset, limits) else { return false }
                let line = partial
                partial = []
                var start = 0
                switch unsafe try parseLine(line.span.bytes, at: &start, names, limits, &recent) {
                case .complete: continue
                case .last: return true
                // Every line ends at its first LF; if this one does not, nothing after it may be
                // parsed.
                case .incomplete: throw .bareLineFeed
                }
            }
            switch try parseLine(input, at: &offset, names, limits, &recent) {
            case .complete: continue
            case .last: return true
            case .incomplete:
                try keepPartial(input.extracting(offset..<input.byteCount), limits)
                offset = input.byteCount
            }
        }
        // Other heads may come before the rest of this one.
        fields.take(from: &recent)
        return false
    }

    /// The response of a complete head, which has this status line.
    mutating func response(to line: StatusLine, _ recent: inout RecentFields) -> HTTPResponse {
        fields.response(to: line, &recent)
    }

    /// Appends input up to the next line feed; `false` when there is none.
    private mutating func completePartial(
        from input: RawSpan, at offset: inout Int, _ limits: EngineTuning.Limits
    ) throws(HTTP1Error) -> Bool {
        let lineFeed = input.firstLineFeed(from: offset)
        let end = lineFeed.map { $0 + 1 } ?? input.byteCount
        try keepPartial(input.extracting(offset..<end), limits)
        offset = end
        return lineFeed != nil
    }

    /// Keeps a part of a line; two faults show before its end: excessive length, and another
    /// protocol.
    private mutating func keepPartial(
        _ bytes: RawSpan, _ limits: EngineTuning.Limits
    ) throws(HTTP1Error) {
        // One byte beyond the limit is enough to detect excess.
        partial.append(copying: bytes.extracting(first: limits.headBytes + 1))
        if hasStatusLine, statusLine == nil {
            unsafe try StatusLine.checkProtocol(of: partial.span.bytes, at: 0)
        }
        try checkSize(lineBytes + partial.count, limits)
    }

    private func checkSize(_ size: Int, _ limits: EngineTuning.Limits) throws(HTTP1Error) {
        guard size > limits.headBytes else { return }
        throw .sectionBytes(section, most: limits.headBytes)
    }

    private var section: HTTP1Error.Section { hasStatusLine ? .head : .trailers }

    private mutating func parseLine(
        _ bytes: RawSpan, at offset: inout Int, _ names: FieldNames, _ limits: EngineTuning.Limits,
        _ recent: inout RecentFields
    ) throws(HTTP1Error) -> Line {
        let start = offset
        let line: Line
        do throws(HTTP1Error) {
            line = try parseWholeLine(bytes, at: &offset, names, &recent)
        } catch {
            // A fault counts once its line is complete and within the limit, as it would in pieces;
            // only another protocol is reported at once.
            offset = start
            if hasStatusLine, statusLine == nil {
                try StatusLine.checkProtocol(of: bytes, at: start)
            }
            guard let lineFeed = bytes.firstLineFeed(from: start) else { return .incomplete }
            try checkSize(lineBytes + lineFeed + 1 - start, limits)
            guard !lenience.isStrict else { throw error }
            let whole = bytes.extracting(start..<lineFeed + 1)
            guard try parseLeniently(whole, names, &recent) else { throw error }
            offset = lineFeed + 1
            line = .complete
        }
        guard line != .incomplete else { return line }
        lineBytes += offset - start
        try checkSize(lineBytes, limits)
        guard fields.count <= limits.headFields else {
            throw .sectionFields(section, most: limits.headFields)
        }
        return line
    }

    @inline(__always)
    private mutating func parseWholeLine(
        _ bytes: RawSpan, at offset: inout Int, _ names: FieldNames, _ recent: inout RecentFields
    ) throws(HTTP1Error) -> Line {
        let next: Int?
        if hasStatusLine, statusLine == nil {
            next = try parseStatusLine(bytes, at: offset, &recent)
        } else if bytes.byte(offset) == ASCII.carriageReturn {
            guard let end = try endOfLine(in: bytes, at: offset) else { return .incomplete }
            offset = end
            return .last
        } else {
            next = try fields.parseLine(in: bytes, at: offset, names: names, recent: &recent)
        }
        guard let next else { return .incomplete }
        offset = next
        return .complete
    }

    /// Parses a complete faulty line again; `false` when no switch accepts its fault.
    private mutating func parseLeniently(
        _ line: RawSpan, _ names: FieldNames, _ recent: inout RecentFields
    ) throws(HTTP1Error) -> Bool {
        fields.take(from: &recent)
        guard let end = LenientLine.end(of: line) else { return false }
        let text = line.extracting(0..<end)
        if hasStatusLine, statusLine == nil { return false }
        if ASCII.isBlank(line.byte(0)) {
            guard lenience.foldedFields, let more = LenientLine.value(text, lenience) else {
                return false
            }
            return unsafe try fields.fold(more.span.bytes)
        }
        guard lenience.controlsInValues, let field = LenientLine.field(text) else { return false }
        let next = unsafe try fields.parseLine(
            in: field.span.bytes, at: 0, names: names, recent: &recent)
        guard next != nil else { return false }
        guard fields.isLastPlain else {
            throw .controlInFramingField
        }
        return true
    }

    private mutating func parseStatusLine(
        _ bytes: RawSpan, at offset: Int, _ recent: inout RecentFields
    ) throws(HTTP1Error) -> Int? {
        if fields.isRemembered,
            let (code, reason, count) = recent.repeatedStatus(in: bytes, at: offset)
        {
            let minorVersion = ASCII.digit(bytes.byte(offset + 7)) ?? 0
            statusLine = StatusLine(minorVersion: minorVersion, code: code, reason: reason)
            return offset + count
        }
        guard let (line, next) = try StatusLine.parse(bytes, at: offset) else { return nil }
        statusLine = line
        if fields.isRemembered { recent.setStatusLine(bytes.extracting(offset..<next)) }
        return next
    }
}

extension HeadParser.StatusLine {
    /// Reads `HTTP/1.x SP 3DIGIT [SP reason] CRLF` (RFC 9112, section 4).
    ///
    /// The blank before an absent reason may be missing: many servers leave it out, and the line
    /// has no other meaning. Control bytes in a reason are dropped, except those at which another
    /// reader would see an end (NUL, CR, LF).
    static func parse(
        _ bytes: RawSpan, at start: Int
    ) throws(HTTP1Error) -> (HeadParser.StatusLine, next: Int)? {
        // "HTTP/1.1 200" and the byte after it are 13 bytes.
        guard start + 13 <= bytes.byteCount else {
            guard bytes.firstLineFeed(from: start) != nil else { return nil }
            try checkProtocol(of: bytes, at: start)
            throw .statusLine
        }
        try checkProtocol(of: bytes, at: start)
        guard let minorVersion = ASCII.digit(bytes.byte(start + 7)),
            bytes.byte(start + 8) == ASCII.space,
            let hundreds = ASCII.digit(bytes.byte(start + 9)),
            let tens = ASCII.digit(bytes.byte(start + 10)),
            let units = ASCII.digit(bytes.byte(start + 11))
        else { throw .statusLine }
        let hasReason = bytes.byte(start + 12) == ASCII.space
        guard hasReason || bytes.byte(start + 12) == ASCII.carriageReturn else {
            throw .statusLine
        }
        let code = Int(hundreds) * 100 + Int(tens) * 10 + Int(units)
        guard code >= 100 else { throw .statusBelow100 }
        let reasonStart = hasReason ? start + 13 : start + 12
        var lineEnd = bytes.firstControl(from: reasonStart)
        var hasControls = false
        while lineEnd < bytes.byteCount, !ASCII.endsLines(bytes.byte(lineEnd)) {
            hasControls = true
            lineEnd = bytes.firstControl(from: lineEnd + 1)
        }
        guard let next = try endOfLine(in: bytes, at: lineEnd) else { return nil }
        let reason = bytes.extracting(reasonStart..<lineEnd)
        let line = HeadParser.StatusLine(
            minorVersion: minorVersion, code: code,
            reason: hasControls ? withoutControls(reason) : text(of: reason))
        return (line, next)
    }

    private static func withoutControls(_ bytes: RawSpan) -> String {
        let kept = (0..<bytes.byteCount).map { bytes.byte($0) }.filter { !ASCII.isControl($0) }
        return unsafe text(of: kept.span.bytes)
    }

    /// swift-http-types treats reason phrases as ISO 8859-1 and replaces other characters.
    private static func text(of bytes: RawSpan) -> String {
        if bytes.isASCII {
            return unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        }
        var text = ""
        for offset in 0..<bytes.byteCount {
            text.unicodeScalars.append(Unicode.Scalar(bytes.byte(offset)))
        }
        return text
    }

    /// Refuses bytes that do not begin `HTTP/1.`, at the first byte that differs.
    static func checkProtocol(of bytes: RawSpan, at start: Int) throws(HTTP1Error) {
        let count = min(bytes.byteCount - start, 7)
        for index in 0..<count {
            let byte = bytes.byte(start + index)
            let expected: UInt8 =
                switch index {
                case 0: 0x48
                case 1, 2: 0x54
                case 3: 0x50
                case 4: 0x2F
                case 5: 0x31
                default: 0x2E
                }
            if byte != expected { throw protocolFault(at: index, byte) }
        }
    }

    private static func protocolFault(at index: Int, _ byte: UInt8) -> HTTP1Error {
        switch (index, byte) {
        case (0, 0x14...0x17):
            .tlsRecord
        case (0, 0x00):
            .http2Frame
        case (0, ASCII.carriageReturn), (0, ASCII.lineFeed):
            .emptyLineFirst
        case (0...4, _):
            .otherProtocol
        default:
            .otherVersion
        }
    }
}
