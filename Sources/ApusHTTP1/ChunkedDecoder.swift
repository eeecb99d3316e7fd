import ApusCore
import HTTPTypes

/// Decodes a chunked body (RFC 9112, section 7.1), wherever its bytes are split.
struct ChunkedDecoder {
    /// What was found.
    enum Step {
        /// All input was consumed.
        case needsMore
        /// Data, as offsets into the input.
        case data(Range<Int>)
        case end(trailers: HTTPFields?)
    }

    private enum State {
        /// Within the digits of the size. Exits: `.blanks`, `.chunkExtension`, `.sizeLineFeed`.
        case size(UInt64, digits: Int)
        /// Within the blanks between the size and a semicolon. Exits: `.chunkExtension`.
        case blanks(Int, size: UInt64)
        /// After a semicolon, which followed so many blanks. Exits: `.sizeLineFeed`.
        case chunkExtension(size: UInt64, bytes: Int, blanks: Int)
        /// After the CR of the size's line. Exits: `.data`, `.trailers`.
        case sizeLineFeed(size: UInt64)
        /// Within the data. Exits: `.dataCarriageReturn`.
        case data(remaining: UInt64)
        /// After the data. Exits: `.dataLineFeed`.
        case dataCarriageReturn
        /// After the data's CR. Exits: `.size`.
        case dataLineFeed
        /// After the last chunk; final.
        case trailers
    }

    /// A size needs no more digits; more are an attempt to overflow it.
    private static let maxSizeDigits = 16

    private var state = State.size(0, digits: 0)
    private var trailers: HeadParser
    /// Extension bytes that exceed the allowance of the chunks so far.
    ///
    /// Each chunk allows 16 bytes plus two per byte of data, so ordinary extensions and streams of
    /// tiny chunks never count, while a body that is mostly extensions is refused.
    private var unpaidBytes = 0

    init(_ lenience: EngineTuning.Lenience) {
        trailers = .trailers(lenience)
    }

    /// Reads up to the next step to report.
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
                try expect(ASCII.lineFeed, in: input, at: &offset, .chunkLineEnd)
                state = size == 0 ? .trailers : .data(remaining: size)
            case .data(let remaining):
                let start = offset
                offset += Int(min(remaining, UInt64(input.byteCount - offset)))
                let rest = remaining - UInt64(offset - start)
                state = rest == 0 ? .dataCarriageReturn : .data(remaining: rest)
                return .data(start..<offset)
            case .dataCarriageReturn:
                try expect(ASCII.carriageReturn, in: input, at: &offset, .chunkDataEnd)
                state = .dataLineFeed
            case .dataLineFeed:
                try expect(ASCII.lineFeed, in: input, at: &offset, .chunkDataEnd)
                state = .size(0, digits: 0)
            case .trailers:
                var recent = RecentFields()
                let isWhole = try trailers.parse(
                    input, at: &offset, limits: limits, recent: &recent)
                guard isWhole else { break }
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
                guard digits > 0 else {
                    throw .chunkSize
                }
                offset += 1
                return try endSize(size, at: byte)
            }
            digits += 1
            guard digits <= ChunkedDecoder.maxSizeDigits, size < 1 << 59 else {
                throw .chunkSizeTooLarge
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
        case ASCII.lineFeed: throw .chunkLineEnd
        default: throw .chunkSizeEnd
        }
    }

    /// Skips blanks before an extension, "bad whitespace" that a recipient must parse and remove
    /// (RFC 9112, section 7.1.1); they count as bytes of the extension.
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
            throw .chunkSizeEnd
        }
    }

    private static func tooLong(_ limits: EngineTuning.Limits) -> HTTP1Error {
        .chunkExtensionBytes(most: limits.chunkExtensionBytes)
    }

    /// Skips extensions: they have no meaning to the engine.
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
        guard count > 0 else { throw .emptyChunkExtension }
        try expect(
            ASCII.carriageReturn, in: input, at: &offset, .chunkLineControl)
        unpaidBytes = max(0, unpaidBytes + count + blanks - ChunkedDecoder.credit(for: size))
        guard unpaidBytes <= 4 * limits.chunkExtensionBytes else {
            throw .mostlyChunkExtensions
        }
        state = .sizeLineFeed(size: size)
    }

    private static func credit(for size: UInt64) -> Int {
        16 + 2 * Int(min(size, 1 << 40))
    }

    private func expect(
        _ byte: UInt8, in input: RawSpan, at offset: inout Int, _ fault: HTTP1Error
    ) throws(HTTP1Error) {
        guard input.byte(offset) == byte else { throw fault }
        offset += 1
    }

    /// Refuses trailers that frame the message (RFC 9110, section 6.5.1).
    private func finishTrailers() throws(HTTP1Error) -> HTTPFields? {
        let facts = trailers.fields.facts
        guard facts.contentLength == nil, facts.lengthFault == nil, facts.encodings == 0 else {
            throw .framingInTrailers
        }
        let fields = trailers.fields.fields
        return fields.isEmpty ? nil : fields
    }
}
