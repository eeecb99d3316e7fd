import ApusCore

/// Counts the peer's frames by their headers, beside nghttp2, and reports a flood.
///
/// nghttp2 1.52 bounds only unanswered PING and SETTINGS frames and, roughly, CONTINUATION frames.
/// This reads the same bytes: the nine of each frame's header are enough.
package struct FrameCensus {
    /// DATA frames without a byte of data that do not end a stream, since the last that has one or
    /// ends one; per window of time and for each of the open streams: some peers send them as a
    /// sign of life.
    static let maxEmptyData = 100
    /// Frames that move nothing, since the last that did: WINDOW_UPDATE, PRIORITY, PING, SETTINGS,
    /// RST_STREAM and unknown ones.
    static let maxIdleFrames = 10_000
    /// GOAWAY frames in a connection's life; an orderly peer sends two.
    static let maxGoAways = 16
    /// Header sections for streams that are gone; each costs us HPACK work and the peer little.
    static let maxStrayHeaders = 200
    /// Bytes of such sections, beyond what our own resets account for: what they make us decode is
    /// a multiple of it.
    static let maxStrayFieldBytes = 1024 * 1024
    /// What one reset of ours accounts for: head and trailers that were on their way.
    static let strayFieldBytesPerReset = 32 * 1024
    /// CONTINUATION frames in one field section (CVE-2024-28182): 144 KiB with the HEADERS frame.
    static let maxContinuations = 8
    /// PUSH_PROMISE frames: none is due, and until our SETTINGS are acknowledged nghttp2 answers
    /// each.
    static let maxPushes = 16
    /// PING frames per window of time, since the last bytes that moved something: a peer that
    /// measures the round trip of a busy connection sends one in each.
    static let maxPings = 2_000
    /// SETTINGS frames per window of time; each may touch every stream.
    static let maxSettings = 200
    /// Streams per window of time that the peer reset before they were answered, or made us reset
    /// (CVE-2023-44487, CVE-2025-8671): such a connection gets no new ones.
    ///
    /// Those that it refused before it had said how many it takes do not count.
    static let maxLostStreams = 64
    /// How long a window of time is.
    static let window = Duration.seconds(10)

    package private(set) var emptyData = 0
    package private(set) var idleFrames = 0
    package private(set) var goAways = 0
    package private(set) var strayHeaders = 0
    package private(set) var strayFieldBytes = 0
    package private(set) var continuations = 0
    package private(set) var pushes = 0
    package private(set) var pings = 0
    package private(set) var settings = 0
    package private(set) var lostStreams = 0
    /// The streams that are open; the session says.
    var openStreams = 0
    /// Frames that nghttp2 answers, since `answersLeft()`.
    private(set) var unansweredFrames = 0
    /// Whether the first bytes were an HTTP/1 status line.
    private(set) var isHTTP1 = false

    /// The bytes of the current frame's header seen so far; 9 while a pad length is awaited.
    private var position = 0
    private var length = 0
    private var type: UInt8 = 0
    private var flags: UInt8 = 0
    /// Bytes of the current frame's payload still to come.
    private var payloadLeft = 0
    private var isFirstFrame = true
    private var windowEnd: Deadline?

    /// The flood that the counts amount to, if any.
    var flood: HTTP2Flood? {
        if emptyData > Self.maxEmptyData * max(openStreams, 1) { return .emptyData }
        if idleFrames > Self.maxIdleFrames { return .idleFrames }
        if continuations > Self.maxContinuations { return .continuations }
        if pushes > Self.maxPushes { return .pushes }
        if goAways > Self.maxGoAways { return .goAways }
        if strayHeaders > Self.maxStrayHeaders { return .strayHeaders }
        if strayFieldBytes > Self.maxStrayFieldBytes { return .strayFields }
        guard windowEnd != nil else { return nil }
        if pings > Self.maxPings { return .pings }
        if settings > Self.maxSettings { return .settings }
        return nil
    }

    /// Walks the next bytes from the peer, wherever they were cut.
    mutating func count(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index < bytes.count {
            if payloadLeft > 0 {
                let step = min(payloadLeft, bytes.count - index)
                payloadLeft -= step
                index += step
                continue
            }
            take(bytes[index])
            index += 1
        }
    }

    /// Bytes of a message moved, in either direction.
    mutating func usefulBytesMoved() {
        idleFrames = 0
        pings = 0
    }

    /// A header section turned out to belong to an open stream.
    mutating func headersWelcomed() {
        strayHeaders -= 1
        idleFrames = 0
        pings = 0
    }

    /// The section that such a header began is whole, in so many bytes with its CONTINUATIONs.
    mutating func sectionWelcomed(byteCount: Int) {
        strayFieldBytes -= byteCount
    }

    /// A stream was reset: its answer may be on the way, head and trailers, and is no offence.
    mutating func streamReset() {
        strayHeaders = max(strayHeaders - 2, -4096)
        strayFieldBytes = max(
            strayFieldBytes - Self.strayFieldBytesPerReset, -Self.strayFieldBytesPerReset * 2048)
    }

    /// A stream whose response was awaited ended by the peer's reset or fault.
    mutating func streamLost() {
        lostStreams += 1
    }

    /// The answers to PING and SETTINGS were taken out of nghttp2.
    mutating func answersLeft() {
        unansweredFrames = 0
    }

    /// Opens a new window of time when the last one is over.
    ///
    /// Without a clock there are no windows, and only the bounds that need none.
    mutating func timePassed(now: Deadline) {
        if let windowEnd, now < windowEnd { return }
        windowEnd = now.advanced(by: Self.window)
        pings = 0
        settings = 0
        idleFrames = 0
        emptyData = 0
        lostStreams = 0
    }

    private mutating func take(_ byte: UInt8) {
        switch position {
        case 0...2: length = length << 8 | Int(byte)
        case 3: type = byte
        case 4: flags = byte
        case 9:
            // The pad length of a DATA frame: what the padding leaves is data.
            payloadLeft = length - 1
            countData(length - 1 - Int(byte))
            nextFrame()
            return
        default: break
        }
        position += 1
        guard position == 9 else { return }
        if type == FrameType.data, flags & FrameFlag.padded != 0, length > 0 { return }
        payloadLeft = length
        countFrame()
        nextFrame()
    }

    private mutating func nextFrame() {
        position = 0
        length = 0
    }

    private mutating func countFrame() {
        if isFirstFrame {
            // "HTTP/" read as a frame header.
            isHTTP1 = length == 0x485454 && type == 0x50 && flags == 0x2F
            isFirstFrame = false
        }
        switch type {
        case FrameType.data: countData(length)
        case FrameType.headers:
            strayHeaders += 1
            strayFieldBytes += length
            continuations = 0
        case FrameType.continuation:
            continuations += 1
            strayFieldBytes += length
        case FrameType.pushPromise: pushes += 1
        case FrameType.settings:
            idleFrames += 1
            guard flags & FrameFlag.acknowledgement == 0 else { break }
            settings += 1
            unansweredFrames += 1
        case FrameType.ping:
            idleFrames += 1
            guard flags & FrameFlag.acknowledgement == 0 else { break }
            pings += 1
            unansweredFrames += 1
        case FrameType.goAway:
            idleFrames += 1
            goAways += 1
        default: idleFrames += 1
        }
    }

    private mutating func countData(_ dataCount: Int) {
        if dataCount > 0 || flags & FrameFlag.endStream != 0 {
            emptyData = 0
        } else {
            emptyData += 1
        }
    }
}

/// The frame types that are distinguished here (RFC 9113, section 6).
enum FrameType {
    static let data: UInt8 = 0x0
    static let headers: UInt8 = 0x1
    static let resetStream: UInt8 = 0x3
    static let settings: UInt8 = 0x4
    static let pushPromise: UInt8 = 0x5
    static let ping: UInt8 = 0x6
    static let goAway: UInt8 = 0x7
    static let continuation: UInt8 = 0x9
}

/// The frame flags that are read here (RFC 9113, section 6).
enum FrameFlag {
    static let endStream: UInt8 = 0x1
    static let acknowledgement: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
}
