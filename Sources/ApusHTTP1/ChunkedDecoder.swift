import ApusCore
import HTTPTypes

/// Takes a chunked body apart (RFC 9112, section 7.1), wherever its bytes are split.
struct ChunkedDecoder {
    /// What was found.
    enum Step {
        /// All input is consumed.
        case needsMore
        /// Data, as offsets into the input.
        case data(Range<Int>)
        case end(trailers: HTTPFields?)
    }

    private enum State {
        /// Within the size's digits. Exits: `.blanks`, `.chunkExtension`, `.sizeLineFeed`.
        case size(UInt64, digits: Int)
        /// Within the blanks between the size and a semicolon. Exits: `.chunkExtension`.
        case blanks(Int, size: UInt64)
        /// Behind a semicolon, which came after so many blanks. Exits: `.sizeLineFeed`.
        case chunkExtension(size: UInt64, bytes: Int, blanks: Int)
        /// Behind the CR of the size's line. Exits: `.data`, `.trailers`.
        case sizeLineFeed(size: UInt64)
        /// Within the data. Exits: `.dataCarriageReturn`.
        case data(remaining: UInt64)
        /// Behind the data. Exits: `.dataLineFeed`.
        case dataCarriageReturn
        /// Behind the data's CR. Exits: `.size`.
        case dataLineFeed
        /// Behind the last chunk; final.
        case trailers
    }

    /// More digits than any size needs are an attempt to overflow one.
    private static let maxSizeDigits = 16

    private var state = State.size(0, digits: 0)
    private var trailers: HeadParser
    /// Extension bytes that no data has paid for.
    ///
    /// Each chunk pays for 16 bytes and for two per byte of data, so honest extensions and streams
    /// of tiny chunks cost nothing, while a body that is mostly extensions is cut off.
    private var unpaidBytes = 0

    init(_ lenience: EngineTuning.Lenience) {
        trailers = .trailers(lenience)
    }

    /// Reads on, up to the next thing to report.
    mutating func next(
        in input: RawSpan, at offset: inout Int, limits: EngineTuning.Limits
    ) throws(HTTP1Error) -> Step {
        while offset < input.byteCount {
            switch state {
            case .size(let size, let digits):
                try readSize(size, digits: digits, in: input, at: &offset)
            case .blanks(let count, let size):
                try readBlanks(count, size: size, in: input, at: &offset, limits)
            case .chunkExtension(let size, let bytes, let blanks):
                try readExtension(
                    size: size, bytes: bytes, blanks: blanks, in: input, at: &offset, limits)
            case .sizeLineFeed(let size):
                try expect(ASCII.lineFeed, in: input, at: &offset, "a chunk's line ends in CR LF")
                state = size == 0 ? .trailers : .data(remaining: size)
            case .data(let remaining):
                let start = offset
                offset += Int(min(remaining, UInt64(input.byteCount - offset)))
                let rest = remaining - UInt64(offset - start)
                state = rest == 0 ? .dataCarriageReturn : .data(remaining: rest)
                return .data(start..<offset)
            case .dataCarriageReturn:
                try expect(ASCII.carriageReturn, in: input, at: &offset, "CR LF follows chunk data")
                state = .dataLineFeed
            case .dataLineFeed:
                try expect(ASCII.lineFeed, in: input, at: &offset, "CR LF follows chunk data")
                state = .size(0, digits: 0)
            case .trailers:
                guard try trailers.parse(input, at: &offset, limits: limits) else { break }
                return .end(trailers: try finishTrailers())
            }
        }
        return .needsMore
    }

    private mutating func readSize(
        _ size: UInt64, digits: Int, in input: RawSpan, at offset: inout Int
    ) throws(HTTP1Error) {
        var size = size
        var digits = digits
        while offset < input.byteCount {
            let byte = input.byte(offset)
            guard let digit = ASCII.hexDigit(byte) else {
                guard digits > 0 else { throw .malformed("a chunk size begins with a hex digit") }
                offset += 1
                return try endSize(size, at: byte)
            }
            digits += 1
            guard digits <= ChunkedDecoder.maxSizeDigits, size < 1 << 59 else {
                throw .malformed("a chunk size is below 2^63, in at most 16 digits")
            }
            size = size << 4 | UInt64(digit)
            offset += 1
        }
        state = .size(size, digits: digits)
    }

    private mutating func endSize(_ size: UInt64, at byte: UInt8) throws(HTTP1Error) {
        switch byte {
        case ASCII.carriageReturn:
            unpaidBytes = max(0, unpaidBytes - ChunkedDecoder.credit(for: size))
            state = .sizeLineFeed(size: size)
        case ASCII.semicolon: state = .chunkExtension(size: size, bytes: 0, blanks: 0)
        case ASCII.space, ASCII.tab: state = .blanks(1, size: size)
        case ASCII.lineFeed: throw .malformed("a chunk's line ends in CR LF")
        default: throw .malformed("only a semicolon or CR LF follows a chunk size")
        }
    }

    /// Passes over blanks before an extension, "bad whitespace" that a recipient must parse and
    /// remove (RFC 9112, section 7.1.1); they count as bytes of the extension.
    private mutating func readBlanks(
        _ count: Int, size: UInt64, in input: RawSpan, at offset: inout Int,
        _ limits: EngineTuning.Limits
    ) throws(HTTP1Error) {
        guard count <= limits.chunkExtensionBytes else {
            throw ChunkedDecoder.tooLong(limits)
        }
        let byte = input.byte(offset)
        offset += 1
        if ASCII.isBlank(byte) {
            state = .blanks(count + 1, size: size)
        } else if byte == ASCII.semicolon {
            state = .chunkExtension(size: size, bytes: 0, blanks: count)
        } else {
            throw .malformed("only a semicolon or CR LF follows a chunk size")
        }
    }

    private static func tooLong(_ limits: EngineTuning.Limits) -> HTTP1Error {
        .tooLarge("extensions of one chunk have at most \(limits.chunkExtensionBytes) bytes")
    }

    /// Passes over extensions: nobody uses them, and they change nothing.
    private mutating func readExtension(
        size: UInt64, bytes: Int, blanks: Int, in input: RawSpan, at offset: inout Int,
        _ limits: EngineTuning.Limits
    ) throws(HTTP1Error) {
        let room = limits.chunkExtensionBytes - blanks - bytes
        let end = input.firstControl(from: offset)
        let count = bytes + end - offset
        guard end - offset <= room else { throw ChunkedDecoder.tooLong(limits) }
        offset = end
        state = .chunkExtension(size: size, bytes: count, blanks: blanks)
        guard end < input.byteCount else { return }
        guard count > 0 else { throw .malformed("a chunk extension is not empty") }
        try expect(
            ASCII.carriageReturn, in: input, at: &offset, "a chunk's line has no control byte")
        unpaidBytes = max(0, unpaidBytes + count + blanks - ChunkedDecoder.credit(for: size))
        guard unpaidBytes <= 4 * limits.chunkExtensionBytes else {
            throw .tooLarge("a chunked body is not mostly extensions")
        }
        state = .sizeLineFeed(size: size)
    }

    private static func credit(for size: UInt64) -> Int {
        16 + 2 * Int(min(size, 1 << 40))
    }

    private func expect(
        _ byte: UInt8, in input: RawSpan, at offset: inout Int, _ rule: String
    ) throws(HTTP1Error) {
        guard input.byte(offset) == byte else { throw .malformed(rule) }
        offset += 1
    }

    /// A trailer that frames the message came too late, or to deceive (RFC 9110, section 6.5.1).
    private func finishTrailers() throws(HTTP1Error) -> HTTPFields? {
        let facts = trailers.fields.facts
        guard facts.contentLength == nil, facts.lengthFault == nil, facts.encodings == 0 else {
            throw .malformed("a trailer has no Content-Length or Transfer-Encoding")
        }
        let fields = trailers.fields.fields
        return fields.isEmpty ? nil : fields
    }
}
