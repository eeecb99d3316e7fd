/// Finds the content of an HTTP/1 request body in the bytes of a connection.
///
/// The proxy also uses it to find the end of a body that it passes on unchanged.
struct RequestBodyDecoder {
    private enum State: Equatable {
        /// Content is next. Exits: `.chunkEnd` when chunked, else `.finished`.
        case content(left: Int)
        /// A chunk's size line is next. Exits: `.content`, `.trailers`, `.malformed`.
        case size
        /// The line end after a chunk is next. Exits: `.size`.
        case chunkEnd
        /// Trailer lines are next. Exits: `.finished` with the empty line.
        case trailers
        /// The body is complete. No exits.
        case finished
        /// The framing is broken. No exits.
        case malformed
    }

    enum Step: Equatable {
        /// `consumed` bytes were processed; those in `content` are the body's.
        case progress(consumed: Int, content: Range<Int>)
        /// A line is not complete, or there are no bytes.
        case needsMore
        case finished
        case malformed
    }

    private let isChunked: Bool
    private var state: State

    init(_ framing: RequestHead.Framing) {
        switch framing {
        case .none: (isChunked, state) = (false, .finished)
        case .length(let length): (isChunked, state) = (false, .content(left: length))
        case .chunked: (isChunked, state) = (true, .size)
        }
    }

    var isFinished: Bool { state == .finished }

    /// Parses the first received bytes.
    mutating func next(in bytes: UnsafeRawBufferPointer) -> Step {
        switch state {
        case .finished: return .finished
        case .malformed: return .malformed
        case .content(let left):
            let count = min(left, bytes.count)
            guard count > 0 else { return .needsMore }
            if count < left {
                state = .content(left: left - count)
            } else {
                state = isChunked ? .chunkEnd : .finished
            }
            return .progress(consumed: count, content: 0..<count)
        case .size, .chunkEnd, .trailers:
            guard let end = bytes.firstIndex(of: 10) else {
                return bytes.count > 4096 ? fail() : .needsMore
            }
            return line(bytes[..<end], consumed: end + 1)
        }
    }

    private mutating func line(_ line: Slice<UnsafeRawBufferPointer>, consumed: Int) -> Step {
        let isEmpty = line.isEmpty || line.elementsEqual([13])
        switch state {
        case .size:
            guard let size = RequestBodyDecoder.hexadecimal(line) else { return fail() }
            state = size == 0 ? .trailers : .content(left: size)
        case .chunkEnd:
            guard isEmpty else { return fail() }
            state = .size
        default:
            if isEmpty { state = .finished }
        }
        return .progress(consumed: consumed, content: 0..<0)
    }

    private mutating func fail() -> Step {
        state = .malformed
        return .malformed
    }

    /// The number before a line's end or extension.
    private static func hexadecimal(_ line: Slice<UnsafeRawBufferPointer>) -> Int? {
        var number = 0
        var digits = 0
        for byte in line {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            case 13, 32, 9, 0x3b: return digits > 0 ? number : nil
            default: return nil
            }
            digits += 1
            guard digits <= 15 else { return nil }
            number = number << 4 | Int(digit)
        }
        return digits > 0 ? number : nil
    }
}
