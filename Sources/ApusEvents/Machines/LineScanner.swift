public import Apus

/// Cuts pieces of bytes into lines: a machine without I/O.
///
/// A line that lies in one piece is a slice of that piece and is not copied. A line that lies in
/// several pieces is copied once, and each of its bytes is searched once. A line is delivered as
/// soon as its end has been received.
///
/// ```
/// scanner.bytesReceived(piece)
/// while let line = try scanner.nextLine() { ... }
/// ```
public struct LineScanner: Sendable {
    /// The bytes that end a line; they are not part of it.
    public enum Ends: Sendable, Hashable {
        /// LF and CRLF. A CR without LF is a part of its line.
        case lineFeed
        /// LF, CRLF and a CR alone, as in an event stream.
        ///
        /// A CR ends its line at once: an LF that follows it is skipped when it is received.
        case any
    }

    /// The default bound of a line: 50 MiB.
    public static let defaultMaxLength = 50 << 20

    /// The length of the longest line that is accepted, in bytes, without its end.
    public let maxLength: Int
    /// The bytes that end a line.
    public let ends: Ends

    /// The piece that is being read.
    private var piece = Bytes.empty
    /// The position of the first byte of the piece that belongs to no line delivered so far.
    private var position = 0
    private var search = LineEndSearch()
    /// The beginning of a line whose end is in none of the pieces so far.
    private var begun = BegunLine.none
    /// Whether an LF at the next position belongs to a CR before it.
    private var skipsLineFeed = false
    private var hasEnded = false
    private var failure: LengthExceeded?

    /// Creates a scanner at the beginning of a line.
    ///
    /// - Parameters:
    ///   - maxLength: the length of the longest line that is accepted, in bytes, without its end;
    ///     50 MiB by default. Memory is used for bytes received, never in advance.
    ///   - ends: the bytes that end a line; LF and CRLF by default.
    public init(maxLength: Int = defaultMaxLength, ends: Ends = .lineFeed) {
        self.maxLength = max(0, maxLength)
        self.ends = ends
    }

    /// Gives the scanner the next piece.
    ///
    /// Usually `nextLine()` has returned `nil` before; otherwise the rest of the last piece and
    /// this one are copied into one.
    public mutating func bytesReceived(_ piece: Bytes) {
        guard !piece.isEmpty else { return }
        if position < self.piece.count {
            self.piece = Bytes(self.piece.dropFirst(position).array + piece.array)
        } else {
            self.piece = piece
        }
        position = 0
        search = LineEndSearch()
    }

    /// No further piece follows: `nextLine()` then also returns a last line that has no end.
    public mutating func streamEnded() {
        hasEnded = true
    }

    /// The next line without its end; `nil` when a further piece is needed or the stream has ended.
    ///
    /// - Throws: `LengthExceeded` when a line, finished or not, is longer than `maxLength`, and at
    ///   each call after that.
    @inline(__always)
    public mutating func nextLine() throws(LengthExceeded) -> Bytes? {
        if let failure { throw failure }
        switch ends {
        case .lineFeed: return try nextLineToLineFeed()
        case .any: return try nextLineToAnyEnd()
        }
    }

    private mutating func nextLineToLineFeed() throws(LengthExceeded) -> Bytes? {
        let end = search.nextLineFeed(in: piece, from: position)
        guard end < piece.count else { return try keepRest() }
        var line = takeLine(to: end)
        position = end + 1
        if line.last == ASCII.carriageReturn { line = line.prefix(line.count - 1) }
        return try accept(line)
    }

    private mutating func nextLineToAnyEnd() throws(LengthExceeded) -> Bytes? {
        if skipsLineFeed, position < piece.count {
            skipsLineFeed = false
            if piece[position] == ASCII.lineFeed { position += 1 }
        }
        let end = search.nextEnd(in: piece, from: position)
        guard end < piece.count else { return try keepRest() }
        let line = takeLine(to: end)
        position = end + 1
        if piece[end] == ASCII.carriageReturn {
            if position == piece.count {
                skipsLineFeed = true
            } else if piece[position] == ASCII.lineFeed {
                position += 1
            }
        }
        return try accept(line)
    }

    /// The line up to a position of the piece, with what earlier pieces hold of it.
    private mutating func takeLine(to end: Int) -> Bytes {
        let rest = piece.slice(position..<end)
        if case .none = begun { return rest }
        defer { begun = .none }
        return begun.joined(with: rest)
    }

    private mutating func accept(_ line: Bytes) throws(LengthExceeded) -> Bytes {
        guard line.count <= maxLength else { throw fail() }
        return line
    }

    /// Keeps the beginning of a line until its end is received; at the stream's end it is a line.
    private mutating func keepRest() throws(LengthExceeded) -> Bytes? {
        if position < piece.count {
            let rest = piece.dropFirst(position)
            let count = begun.count + rest.count
            // A CR may still turn out to belong to the line's end.
            let allowance = ends == .lineFeed && rest.last == ASCII.carriageReturn ? 1 : 0
            guard count - allowance <= maxLength else { throw fail() }
            begun.append(rest)
        }
        piece = .empty
        position = 0
        search = LineEndSearch()
        guard hasEnded, begun.count > 0 else { return nil }
        defer { begun = .none }
        return try accept(begun.joined(with: .empty))
    }

    private mutating func fail() -> LengthExceeded {
        let exceeded = LengthExceeded(.line, limit: maxLength)
        failure = exceeded
        piece = .empty
        position = 0
        begun = .none
        return exceeded
    }
}

/// The beginning of a line whose end has not been received.
private enum BegunLine: Sendable {
    /// No byte of a line.
    ///
    /// Exits: `.slice`.
    case none
    /// The end of one piece.
    ///
    /// Exits: `.copy`, `.none`.
    case slice(Bytes)
    /// The bytes of several pieces; small pieces would otherwise keep their storage alive.
    ///
    /// Exits: `.none`.
    case copy([UInt8])

    var count: Int {
        switch self {
        case .none: 0
        case .slice(let bytes): bytes.count
        case .copy(let array): array.count
        }
    }

    mutating func append(_ rest: Bytes) {
        switch self {
        case .none: self = .slice(rest)
        case .slice(let bytes): self = .copy(join(bytes, rest))
        case .copy(var array):
            // The array has one owner, so it grows in place.
            self = .none
            rest.withSpan { array.append(copying: $0) }
            self = .copy(array)
        }
    }

    /// The line, with its rest.
    mutating func joined(with rest: Bytes) -> Bytes {
        switch self {
        case .none: return rest
        case .slice(let bytes) where rest.isEmpty: return bytes
        case .slice(let bytes): return Bytes(join(bytes, rest))
        case .copy(var array):
            self = .none
            rest.withSpan { array.append(copying: $0) }
            return Bytes(array)
        }
    }
}

/// Copies two pieces into one array, with one allocation.
func join(_ left: Bytes, _ right: Bytes) -> [UInt8] {
    let count = left.count + right.count
    return Array(unsafeUninitializedCapacity: count) { buffer, initialized in
        let rest = UnsafeMutableRawBufferPointer(buffer)
        // The two parts fill the buffer exactly.
        left.withSpan { span in span.withUnsafeBytes { rest.copyMemory(from: $0) } }
        let tail = UnsafeMutableRawBufferPointer(rebasing: rest[left.count...])
        right.withSpan { span in span.withUnsafeBytes { tail.copyMemory(from: $0) } }
        initialized = count
    }
}
