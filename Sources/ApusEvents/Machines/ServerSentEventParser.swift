public import Apus

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Reads the events of an event stream from its pieces: a machine without I/O.
///
/// It follows the HTML standard, section 9.2.6 ("Interpreting an event stream"). An event is
/// delivered as soon as its blank line has been received, even where a CR may be followed by an LF.
/// An event that is incomplete at the stream's end is dropped.
///
/// ```
/// parser.bytesReceived(piece)
/// while let event = try parser.nextEvent() { ... }
/// ```
public struct ServerSentEventParser: Sendable {
    /// The bound of a line, and of the data of an event over all of its lines, in bytes.
    public let maxLength: Int
    /// Whether comments are delivered.
    public let reportsComments: Bool

    /// The last event ID of the stream: that of the last complete block with an `id` field.
    ///
    /// It is what `Last-Event-ID` sends when the stream is opened again; "" is not sent.
    public private(set) var lastEventID: String
    /// The time to wait before the stream is opened again, by the last valid `retry` field; `nil`
    /// when there was none.
    public private(set) var reconnectionTime: Duration?

    private var lines: LineScanner
    private var isAtStart = true
    /// The `id` of the block that is being read, or the one before it.
    private var idOfBlock: String
    /// The `event` field of the block that is being read.
    private var typeOfBlock: String?
    private var data = EventData.none
    /// The last type received and its bytes: most events of a stream have one of few types.
    private var knownType = (bytes: [UInt8](), text: "")
    private var failure: LengthExceeded?

    /// Creates a parser at the beginning of a stream.
    ///
    /// - Parameters:
    ///   - maxLength: the bound of a line, and of the data of an event over all of its lines, in
    ///     bytes; 50 MiB by default. An event occupies at most twice as much.
    ///   - reportsComments: whether comments are delivered, as heartbeats; `false` by default.
    ///   - lastEventID: the ID of the stream before it was opened again; "" by default.
    public init(
        maxLength: Int = LineScanner.defaultMaxLength, reportsComments: Bool = false,
        lastEventID: String = ""
    ) {
        self.maxLength = max(0, maxLength)
        self.reportsComments = reportsComments
        self.lastEventID = lastEventID
        idOfBlock = lastEventID
        lines = LineScanner(maxLength: maxLength, ends: .any)
    }

    /// Gives the parser the next piece.
    ///
    /// Usually `nextEvent()` has returned `nil` before; otherwise the rest of the last piece and
    /// this one are copied into one.
    public mutating func bytesReceived(_ piece: Bytes) {
        lines.bytesReceived(piece)
    }

    /// The next event, or a comment if those are requested; `nil` when a further piece is needed.
    ///
    /// - Throws: `LengthExceeded` when a line, finished or not, or the data of an event is longer
    ///   than `maxLength`, and at each call after that.
    public mutating func nextEvent() throws(LengthExceeded) -> ServerSentEvent? {
        if let failure { throw failure }
        while var line = try lines.nextLine() {
            if isAtStart {
                isAtStart = false
                if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
            }
            if line.isEmpty {
                if let event = endBlock() { return event }
            } else if line[0] == ASCII.colon {
                guard reportsComments else { continue }
                return ServerSentEvent(
                    kind: .comment, type: "", data: line.dropFirst(1), lastEventID: lastEventID)
            } else {
                try read(line)
            }
        }
        return nil
    }

    /// Ends a block at its blank line; a block without `data` is no event, but its ID counts.
    private mutating func endBlock() -> ServerSentEvent? {
        lastEventID = idOfBlock
        let type = typeOfBlock
        typeOfBlock = nil
        guard let data = data.take() else { return nil }
        return ServerSentEvent(type: type ?? "message", data: data, lastEventID: lastEventID)
    }

    /// The fields that mean something.
    private enum Field {
        case data, event, id, retry
    }

    private mutating func read(_ line: Bytes) throws(LengthExceeded) {
        guard let (field, start) = Self.field(of: line) else { return }
        let value = line.dropFirst(start)
        switch field {
        case .data:
            guard data.count + (data.isPresent ? 1 : 0) + value.count <= maxLength else {
                let exceeded = LengthExceeded(.event, limit: maxLength)
                failure = exceeded
                _ = data.take()
                throw exceeded
            }
            data.append(value)
        case .event: readType(value)
        case .id:
            if !value.contains(0) { idOfBlock = String(value) }
        case .retry:
            if let time = Self.milliseconds(value) { reconnectionTime = .milliseconds(time) }
        }
    }

    /// The field of a line, and the position of its value; `nil` for an unknown field.
    @inline(__always)
    private static func field(of line: Bytes) -> (Field, Int)? {
        line.withSpan { span in
            span.withUnsafeBytes { bytes in
                // No known name has more than five bytes, so a name fits into a number.
                var length = 0
                var name: UInt64 = 0
                while length < bytes.count, bytes[length] != ASCII.colon {
                    if length == 5 { return nil }
                    name = name << 8 | UInt64(bytes[length])
                    length += 1
                }
                let field: Field
                switch (length, name) {
                case (4, 0x6461_7461): field = .data
                case (5, 0x65_7665_6E74): field = .event
                case (2, 0x6964): field = .id
                case (5, 0x72_6574_7279): field = .retry
                default: return nil
                }
                var start = length + 1
                if start < bytes.count, bytes[start] == ASCII.space { start += 1 }
                return (field, start)
            }
        }
    }

    /// Keeps the type; an empty one means "message".
    private mutating func readType(_ value: Bytes) {
        guard !value.isEmpty else {
            typeOfBlock = nil
            return
        }
        if !value.hasBytes(of: knownType.bytes) {
            knownType = (value.array, String(value))
        }
        typeOfBlock = knownType.text
    }

    /// The value of a `retry` field: ASCII digits alone; more than fits is the largest number.
    private static func milliseconds(_ value: Bytes) -> Int64? {
        guard !value.isEmpty else { return nil }
        var number: Int64 = 0
        for byte in value {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            let (tens, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflows) = tens.addingReportingOverflow(Int64(byte - 0x30))
            number = isTooLarge || overflows ? .max : sum
        }
        return number
    }
}

/// The `data` fields of a block so far.
private enum EventData: Sendable {
    /// No field.
    ///
    /// Exits: `.field`.
    case none
    /// One field, in the piece or line where it was received.
    ///
    /// Exits: `.joined`, `.none`.
    case field(Bytes)
    /// Several fields, joined by LF.
    ///
    /// Exits: `.none`.
    case joined([UInt8])

    var isPresent: Bool {
        if case .none = self { false } else { true }
    }

    var count: Int {
        switch self {
        case .none: 0
        case .field(let bytes): bytes.count
        case .joined(let array): array.count
        }
    }

    mutating func append(_ value: Bytes) {
        var array: [UInt8]
        switch self {
        case .none:
            self = .field(value)
            return
        case .field(let bytes):
            array = []
            array.reserveCapacity(bytes.count + 1 + value.count)
            bytes.withSpan { array.append(copying: $0) }
        case .joined(let joined):
            array = joined
        }
        // The array has one owner, so it grows in place.
        self = .none
        array.append(ASCII.lineFeed)
        value.withSpan { array.append(copying: $0) }
        self = .joined(array)
    }

    /// The data, which is then no longer kept.
    mutating func take() -> Bytes? {
        defer { self = .none }
        switch self {
        case .none: return nil
        case .field(let bytes): return bytes
        case .joined(let array): return Bytes(array)
        }
    }
}

extension Bytes {
    /// Whether the bytes are equal to an array's.
    fileprivate func hasBytes(of array: [UInt8]) -> Bool {
        guard count == array.count else { return false }
        guard count > 0 else { return true }
        return withSpan { span in
            span.withUnsafeBytes { left in
                array.withUnsafeBytes { right in
                    guard let left = left.baseAddress, let right = right.baseAddress else {
                        return false
                    }
                    // Both have `count` bytes.
                    return memcmp(left, right, array.count) == 0
                }
            }
        }
    }
}
