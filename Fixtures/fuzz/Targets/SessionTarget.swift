import ApusCore
import ApusHTTP2
import HTTPTypes

/// An HTTP/2 session between a peer that sends anything and an application that does anything.
///
/// An input is a list of steps: a byte that chooses one, then what it needs.
enum SessionTarget {
    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        guard var player = SessionPlayer(choices.byte()) else {
            preconditionFailure("no session")
        }
        var steps = 0
        while !choices.isAtEnd, steps < 400 {
            player.step(&choices)
            steps += 1
        }
        player.finish()
    }
}

/// Plays steps to one session and holds it to its promises.
struct SessionPlayer {
    private let session: HTTP2Session
    private let budget = CountedBudget()
    private var streams: [HTTP2StreamID: StreamStory] = [:]
    private var closed = 0
    private var now = Deadline(nanoseconds: 0)
    private var output = OutputReader()
    private var failure: HTTP2Error?

    init?(_ bits: UInt8) {
        var tuning = EngineTuning.HTTP2()
        if bits & 1 != 0 { tuning.maxStreamsPerConnection = 2 }
        if bits & 2 != 0 { tuning.streamWindow = 16 }
        var limits = EngineTuning.Limits()
        if bits & 4 != 0 { limits.headBytes = 256 }
        if bits & 8 != 0 { limits.headFields = 2 }
        if bits & 16 != 0 { limits.informationalResponses = 1 }
        guard let session = try? HTTP2Session(tuning, limits: limits, budget: budget)
        else { return nil }
        self.session = session
    }

    mutating func step(_ choices: inout Choices) {
        let step = choices.byte()
        switch step & 0x0F {
        case 0: receive(choices.take(Int(choices.byte())))
        case 1...4: receiveFrame(&choices)
        case 5, 6: submit(choices.byte())
        case 7: send(&choices)
        case 8: finishBody(&choices)
        case 9:
            let id = streamID(&choices)
            session.consumed(choices.number16(), on: id)
        case 10:
            let id = streamID(&choices)
            streams[id]?.isReset = true
            session.reset(id, code: UInt32(choices.byte()))
        case 11: takeOutput(limit: 1 + choices.number16())
        case 12: session.ping()
        case 13: rare(&choices)
        case 14:
            now = now.advanced(by: .milliseconds(choices.number16()))
            session.timePassed(now: now)
        default: takeEvents()
        }
        // Most of the time the shell does both after each step, so a bit is needed to keep it away.
        if step & 0x80 == 0 {
            takeOutput(limit: 16 * 1024)
            takeEvents()
        }
    }

    /// The peer's end: nothing may stay open.
    mutating func finish() {
        takeOutput(limit: 1 << 20)
        takeEvents()
        session.streamEnded()
        takeOutput(limit: 1 << 20)
        takeEvents()
        precondition(session.openStreams == 0, "open streams without a connection")
        precondition(streams.values.allSatisfy(\.isClosed), "a stream that was never closed")
        precondition(!session.wantsOutput, "output for a peer that is gone")
        precondition(session.isDraining)
        precondition(budget.taken == 0, "window growth that was not given back")
    }

    // MARK: Steps

    private mutating func receive(_ bytes: [UInt8]) {
        do throws(HTTP2Error) {
            try bytes.withSpan { span throws(HTTP2Error) in try session.bytesReceived(span) }
            precondition(failure == nil, "a failed session that goes on")
        } catch {
            precondition(failure == nil || failure == error, "a failure that changes")
            failure = error
            precondition(session.failure == error && session.isDraining)
        }
    }

    /// A frame whose header is sound, so that its payload is looked at.
    private mutating func receiveFrame(_ choices: inout Choices) {
        let type = choices.byte()
        let flags = choices.byte()
        let id = choices.byte()
        let payload = choices.take(Int(choices.byte()))
        let header: [UInt8] = [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, id]
        receive(header + payload)
    }

    private mutating func submit(_ bits: UInt8) {
        var request = HTTPRequest(
            method: bits & 1 != 0 ? .post : .get, scheme: "https", authority: "a.example",
            path: "/")
        if bits & 2 != 0 { request.method = .head }
        if bits & 4 != 0 { request.headerFields[.accept] = "*/*" }
        if bits & 8 != 0 { request.method = .connect }
        if bits & 16 != 0 { request.headerFields[.te] = "trailers" }
        do throws(HTTP2Error) {
            let id = try session.submit(request, hasBody: bits & 1 != 0)
            precondition(id % 2 == 1 && streams[id] == nil, "a number given twice")
            streams[id] = StreamStory(
                hasBody: bits & 1 != 0, isConnect: request.method == .connect)
        } catch {
            if case .closing = error.kind { precondition(session.isDraining) }
        }
    }

    private mutating func send(_ choices: inout Choices) {
        let id = streamID(&choices)
        let count = choices.number16()
        let isLast = choices.bool()
        guard let stream = streams[id], stream.hasBody, !stream.isFinished else { return }
        // The bytes count up, so that a byte that is lost, doubled or moved is seen.
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: stream.sent + $0) }
        session.send(Bytes(bytes), endOfBody: isLast, on: id)
        streams[id]?.sent += count
        streams[id]?.isFinished = isLast
    }

    private mutating func finishBody(_ choices: inout Choices) {
        let id = streamID(&choices)
        guard let stream = streams[id], stream.hasBody, !stream.isFinished else { return }
        var trailers = HTTPFields()
        if choices.bool(), let name = HTTPField.Name("x-check") { trailers[name] = "1" }
        do throws(HTTP2Error) {
            try session.finish(trailers: choices.bool() ? trailers : nil, on: id)
            streams[id]?.isFinished = true
        } catch {
            precondition(error.kind == .tooLarge, "trailers refused for another reason")
        }
    }

    private mutating func rare(_ choices: inout Choices) {
        switch choices.below(8) {
        case 0: session.shutDown()
        case 1: session.goAway(code: UInt32(choices.byte()))
        case 2: session.streamEnded()
        case 3: session.skipStreamIDs(to: 0x7FFF_FFFD)
        default: session.ping()
        }
        failure = failure ?? session.failure
    }

    /// One of the streams there were, or one that never was.
    private func streamID(_ choices: inout Choices) -> HTTP2StreamID {
        HTTP2StreamID(choices.byte())
    }

    // MARK: What comes out

    private mutating func takeOutput(limit: Int) {
        var rounds = 0
        var bytes: [UInt8] = []
        while true {
            let before = bytes.count
            do throws(HTTP2Error) {
                guard try session.nextOutput(into: &bytes, limit: limit) else { break }
            } catch {
                failure = failure ?? error
                break
            }
            precondition(bytes.count > before, "more output is promised than there is")
            rounds += 1
            precondition(rounds < 100_000, "output without an end")
        }
        failure = failure ?? session.failure
        output.read(bytes)
        for (id, count) in output.takeData() {
            guard let stream = streams[id] else { preconditionFailure("DATA of no stream") }
            precondition(stream.written + count <= stream.sent, "DATA that was not sent")
            streams[id]?.written += count
        }
        while let sent = session.nextSentBody() {
            guard let stream = streams[sent.stream] else {
                preconditionFailure("sent on no stream")
            }
            precondition(stream.reported + sent.count <= stream.sent, "reported more than was sent")
            streams[sent.stream]?.reported += sent.count
        }
        for stream in streams.values {
            precondition(stream.reported >= stream.written, "reported less than was written")
        }
    }

    private mutating func takeEvents() {
        while let event = session.nextEvent() {
            switch event {
            case .informational(let id, let response):
                precondition((100..<200).contains(response.status.code))
                reported(id) { $0.progress == .awaitingHead }
            case .head(let id, let response, _):
                precondition(response.status.code >= 200)
                reported(id, to: .body) { $0.progress == .awaitingHead }
            case .body(let id, let bytes):
                precondition(!bytes.isEmpty)
                reported(id) { $0.progress == .body }
            case .end(let id, _): reported(id, to: .over) { $0.progress == .body }
            case .failed(let id, _):
                // A writer of a duplex gets its end after the peer's own.
                reported(id, to: .over) { !$0.hasFailed && ($0.progress != .over || $0.isConnect) }
                streams[id]?.hasFailed = true
            case .requestSent(let id):
                precondition(streams[id]?.isAnnounced == false, "sent twice, or of no stream")
                streams[id]?.isAnnounced = true
            case .bodyDrained(let id): precondition(streams[id]?.isClosed == false)
            case .closed(let id):
                guard let stream = streams[id], !stream.isClosed else {
                    preconditionFailure("closed twice")
                }
                precondition(
                    stream.progress == .over || stream.isReset, "closed without a verdict")
                streams[id]?.isClosed = true
                closed += 1
            case .settingsChanged(let most): precondition(most >= 0 && most == session.maxStreams)
            case .goAway, .pingAcknowledged: break
            }
        }
        precondition(session.openStreams == streams.count - closed, "streams do not add up")
    }

    /// Notes an event, which must be one that the stream's story allows.
    private mutating func reported(
        _ id: HTTP2StreamID, to progress: StreamStory.Progress? = nil,
        _ isAllowed: (StreamStory) -> Bool
    ) {
        guard let stream = streams[id], !stream.isClosed, isAllowed(stream) else {
            preconditionFailure("an event out of turn on stream \(id)")
        }
        if let progress { streams[id]?.progress = progress }
    }
}

/// What was sent on a stream, and what was heard of it.
struct StreamStory {
    enum Progress { case awaitingHead, body, over }

    let hasBody: Bool
    let isConnect: Bool
    var progress = Progress.awaitingHead
    /// Bytes of the body that the session said have left.
    var reported = 0
    var isReset = false
    var hasFailed = false
    /// Its HEADERS were said to have left.
    var isAnnounced = false
    var isClosed = false
    var isFinished = false
    /// Bytes handed over, and bytes seen in DATA frames.
    var sent = 0
    var written = 0

    init(hasBody: Bool, isConnect: Bool) {
        self.hasBody = hasBody
        self.isConnect = isConnect
    }
}

/// Reads our own bytes as a server would: the preface, then whole frames.
struct OutputReader {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private var pending: [UInt8] = []
    private var hasPreface = false
    private var data: [(HTTP2StreamID, Int)] = []
    private var positions: [HTTP2StreamID: Int] = [:]
    /// The stream whose header section is not at its end.
    private var openSection: HTTP2StreamID?

    /// Takes the bytes of one round, which end where a frame does.
    mutating func read(_ bytes: [UInt8]) {
        pending += bytes
        if !hasPreface, pending.count >= 24 {
            precondition(pending.starts(with: Self.preface), "no preface")
            pending.removeFirst(24)
            hasPreface = true
        }
        var start = 0
        while pending.count - start >= 9 {
            let header = pending[start..<start + 9]
            let length = header.prefix(3).reduce(0) { $0 << 8 | Int($1) }
            precondition(length <= 1 << 24 && pending.count - start >= 9 + length, "a cut frame")
            let id = header.suffix(4).reduce(Int32(0)) { $0 << 8 | Int32($1) }
            let payload = pending[(start + 9)..<(start + 9 + length)]
            frame(type: pending[start + 3], flags: pending[start + 4], id, payload)
            start += 9 + length
        }
        precondition(start == pending.count, "a cut frame header")
        pending = []
    }

    /// The DATA seen since the last time.
    mutating func takeData() -> [(HTTP2StreamID, Int)] {
        defer { data = [] }
        return data
    }

    private mutating func frame(
        type: UInt8, flags: UInt8, _ id: HTTP2StreamID, _ payload: ArraySlice<UInt8>
    ) {
        if let openSection {
            // A GOAWAY of our own making may end everything at any time.
            precondition(type == 9 && id == openSection || type == 7, "a section was cut in two")
        }
        switch type {
        case 0:
            precondition(flags & ~1 == 0, "DATA with flags that we never set")
            var position = positions[id, default: 0]
            for byte in payload {
                precondition(byte == UInt8(truncatingIfNeeded: position), "other bytes were sent")
                position += 1
            }
            positions[id] = position
            data.append((id, payload.count))
        case 1, 9: openSection = flags & 4 == 0 ? id : nil
        default: break
        }
    }
}

/// A small budget that must be whole again in the end.
///
/// Unchecked, because a target runs on one thread.
private final class CountedBudget: WindowBudget, @unchecked Sendable {
    private static let most = 100_000
    private(set) var taken = 0

    func take(upTo wanted: Int) -> Int {
        precondition(wanted > 0, "asked for nothing")
        let given = min(wanted, Self.most - taken)
        taken += given
        return given
    }

    func giveBack(_ count: Int) {
        taken -= count
        precondition(count > 0 && taken >= 0, "gave back more than was taken")
    }
}
