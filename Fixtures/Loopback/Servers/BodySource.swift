#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The bytes of `/bytes` and similar routes.
package enum BodyPattern {
    /// The byte at `index` of every patterned body.
    package static func byte(at index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: index &* 31 &+ (index >> 8))
    }

    /// The first `count` bytes, for tests to compare with.
    package static func bytes(_ count: Int, from first: Int = 0) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(buffer)[...], from: first)
            initialized = count
        }
    }

    /// The pattern repeats after this many bytes.
    private static let period = 1 << 16
    /// One period and the same again, so that a copy of up to one period never wraps.
    private static let table: [UInt8] = (0..<(2 * period)).map { byte(at: $0) }

    static func fill(_ room: Slice<UnsafeMutableRawBufferPointer>, from first: Int) {
        let room = UnsafeMutableRawBufferPointer(rebasing: room)
        table.withUnsafeBytes { table in
            var done = 0
            while done < room.count {
                let phase = (first + done) % period
                let count = min(period, room.count - done)
                let part = UnsafeRawBufferPointer(rebasing: table[phase..<(phase + count)])
                UnsafeMutableRawBufferPointer(rebasing: room[done...]).copyMemory(from: part)
                done += count
            }
        }
    }
}

/// Numbered server-sent events, whose number and rate a query sets.
struct EventStream {
    var count: Int
    /// The digits of each sequence number, padded with zeros on the left.
    var size: Int
    /// The time between two bursts, in nanoseconds; 0 sends without pause.
    var pace: Int64
    /// Events that are sent together.
    var burst: Int
    fileprivate var sent = 0
    fileprivate var started: Int64 = 0

    init(count: Int = 10, size: Int = 16, pace: Int64 = 0, burst: Int = 1) {
        self.count = count
        self.size = size
        self.pace = pace
        self.burst = burst
    }

    /// The event with this number, as it is sent.
    static func append(_ sequence: Int, size: Int, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "data: ".utf8)
        let digits = String(sequence).utf8
        bytes.append(
            contentsOf: [UInt8](repeating: 0x30, count: max(0, size - digits.count)))
        bytes.append(contentsOf: digits)
        bytes.append(contentsOf: [10, 10])
    }
}

/// The source of a response's content, piece by piece.
///
/// HTTP/1 and HTTP/2 pull from the same source; each piece is one chunk or one DATA frame.
struct BodySource {
    enum Kind {
        case bytes([UInt8])
        /// The pattern, in pieces of at most `piece` bytes.
        case pattern(count: Int, piece: Int)
        case events(EventStream)
        /// The pattern without end.
        case endless
        /// The pattern up to `count`, then silence.
        case stalling(count: Int)
        /// The pattern up to `count`, then the connection or stream breaks.
        case breaking(count: Int)
        /// The peer's bytes, added by `received`.
        case echo
    }

    enum Step: Equatable {
        /// So many bytes were written; more will come.
        case bytes(Int)
        /// So many bytes were written, and they were the last.
        case last(Int)
        /// Nothing before this instant.
        case wait(until: Int64)
        /// Nothing before the peer sends more.
        case starved
        /// Nothing, ever.
        case silent
        /// The response ends here, broken.
        case broken
    }

    private var kind: Kind
    private var position = 0
    /// Bytes that were made and did not fit.
    private var pending: [UInt8] = []
    private var isInputComplete = false
    /// The length is known but not announced.
    var hidesLength = false

    init(_ kind: Kind) {
        self.kind = kind
    }

    /// The length to announce, when it is known.
    var announcedLength: Int? {
        if hidesLength { return nil }
        switch kind {
        case .bytes(let bytes): return bytes.count
        case .pattern(let count, _): return count
        case .events, .endless, .stalling, .breaking, .echo: return nil
        }
    }

    var isEndless: Bool {
        if case .endless = kind { return true }
        return false
    }

    /// Adds content for an echo.
    mutating func received(_ bytes: UnsafeRawBufferPointer) {
        pending.append(contentsOf: bytes)
    }

    mutating func receivedEnd() {
        isInputComplete = true
    }

    /// Writes the next piece; `now` is on the monotonic clock.
    mutating func next(into room: UnsafeMutableRawBufferPointer, now: Int64) -> Step {
        switch kind {
        case .bytes(let bytes):
            let count = copy(bytes, into: room)
            return position == bytes.count ? .last(count) : .bytes(count)
        case .pattern(let total, let piece):
            let count = pattern(into: room, atMost: min(piece, total - position))
            return position == total ? .last(count) : .bytes(count)
        case .endless:
            return .bytes(pattern(into: room, atMost: room.count))
        case .stalling(let total):
            guard position < total else { return .silent }
            return .bytes(pattern(into: room, atMost: total - position))
        case .breaking(let total):
            guard position < total else { return .broken }
            return .bytes(pattern(into: room, atMost: total - position))
        case .echo:
            return echo(into: room)
        case .events(var stream):
            defer { kind = .events(stream) }
            return events(&stream, into: room, now: now)
        }
    }

    private mutating func pattern(into room: UnsafeMutableRawBufferPointer, atMost: Int) -> Int {
        let count = min(room.count, atMost)
        BodyPattern.fill(room[..<count], from: position)
        position += count
        return count
    }

    private mutating func copy(_ bytes: [UInt8], into room: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(room.count, bytes.count - position)
        bytes.withUnsafeBytes { bytes in
            let part = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
            room.copyMemory(from: part)
        }
        position += count
        return count
    }

    private mutating func echo(into room: UnsafeMutableRawBufferPointer) -> Step {
        let count = copy(pending, into: room)
        if position == pending.count {
            pending.removeAll(keepingCapacity: true)
            position = 0
            if isInputComplete { return .last(count) }
            if count == 0 { return .starved }
        }
        return .bytes(count)
    }

    /// Writes at most one burst; a burst that does not fit is sent in pieces.
    private mutating func events(
        _ stream: inout EventStream, into room: UnsafeMutableRawBufferPointer, now: Int64
    ) -> Step {
        if position == pending.count {
            guard stream.sent < stream.count else { return .last(0) }
            if stream.started == 0 { stream.started = now }
            // Each burst has its own instant, so that delays do not add up.
            let due = stream.started + Int64(stream.sent / stream.burst) * stream.pace
            guard stream.pace == 0 || due <= now else { return .wait(until: due) }
            pending.removeAll(keepingCapacity: true)
            position = 0
            for _ in 0..<min(stream.burst, stream.count - stream.sent) {
                EventStream.append(stream.sent, size: stream.size, to: &pending)
                stream.sent += 1
            }
        }
        let count = copy(pending, into: room)
        let isLast = position == pending.count && stream.sent == stream.count
        return isLast ? .last(count) : .bytes(count)
    }
}
