import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Plays a transcript to a connection machine and writes down what the machine makes of it.
struct Conversation {
    /// How a turn's bytes are cut into inputs.
    enum Cut {
        case whole
        case byteByByte
        /// Two inputs, the first of at most this many bytes.
        case at(Int)
    }

    private var machine: HTTP1Session
    private var log: [String] = []
    /// Body bytes not yet written down, since pieces of one body are one entry.
    private var body: [UInt8] = []
    private var rest: [UInt8] = []
    private var isUpgraded = false
    private var hasFailed = false

    private init(_ transcript: Transcript) {
        machine = HTTP1Session(limits: transcript.limits, lenience: transcript.lenience)
    }

    /// Plays it all; a turn after a connection's end is written down as not possible.
    static func log(of transcript: Transcript, cut: Cut) -> [String] {
        var conversation = Conversation(transcript)
        for turn in transcript.turns {
            guard !conversation.hasFailed else { break }
            conversation.play(turn, cut)
        }
        return conversation.log
    }

    private mutating func play(_ turn: Transcript.Turn, _ cut: Cut) {
        if let method = turn.method {
            guard machine.isIdle else { return log.append("not reusable") }
            machine.requestStarted(
                method: method, expectsClose: turn.options.contains("close"),
                upgrade: turn.upgrade)
            if !turn.options.contains("unfinished") { machine.requestFinished() }
        }
        for input in Conversation.inputs(of: turn.bytes, cut) where !hasFailed { receive(input) }
        flush()
        if turn.streamEnds, !hasFailed { end() }
        flush()
        if isUpgraded, !rest.isEmpty { log.append("rest \(Transcript.escape(rest))") }
        let hint = machine.keepAliveHint
        if hint != KeepAliveHint() {
            let seconds = hint.timeout.map { "\($0.components.seconds)" } ?? "-"
            log.append("hint timeout=\(seconds) max=\(hint.max.map(String.init) ?? "-")")
        }
        if let reason = machine.closeReason {
            log.append("close \(reason)")
        } else {
            log.append(machine.isIdle ? "reuse" : "waiting")
        }
    }

    static func inputs(of bytes: [UInt8], _ cut: Cut) -> [ArraySlice<UInt8>] {
        switch cut {
        case .whole: [bytes[...]]
        case .byteByByte: bytes.indices.map { bytes[$0...$0] }
        case .at(let offset):
            [bytes.prefix(offset), bytes.dropFirst(offset)]
        }
    }

    private mutating func receive(_ input: ArraySlice<UInt8>) {
        let bytes = Array(input)
        var offset = 0
        do throws(HTTP1Error) {
            while let event = try machine.nextEvent(in: bytes.span.bytes, offset: &offset) {
                note(event, bytes)
            }
        } catch {
            fail(error)
        }
        if isUpgraded {
            rest += bytes[offset...]
        } else if !hasFailed {
            #expect(offset == bytes.count, "input was left over")
        }
    }

    private mutating func end() {
        do throws(HTTP1Error) {
            if let event = try machine.streamEnded() { note(event, []) }
        } catch {
            fail(error)
        }
    }

    private mutating func fail(_ error: HTTP1Error) {
        flush()
        hasFailed = true
        log.append("error \(error)")
    }

    private mutating func note(_ event: HTTP1Event, _ bytes: [UInt8]) {
        if case .body(let range) = event {
            #expect(!range.isEmpty, "an empty piece of a body")
            body += bytes[range]
            return
        }
        flush()
        switch event {
        case .informational(let response): note("informational", response)
        case .head(let response, let length):
            note("head", response, ", length \(length.map(String.init) ?? "unknown")")
        case .body: break
        case .end(let trailers):
            log.append("end")
            note(trailers ?? [:])
        case .upgraded(let response):
            isUpgraded = true
            note("upgraded", response)
        }
    }

    private mutating func note(_ word: String, _ response: HTTPResponse, _ more: String = "") {
        let reason = response.status.reasonPhrase
        log.append("\(word) \(response.status.code)" + (reason.isEmpty ? "" : " \(reason)") + more)
        note(response.headerFields)
    }

    private mutating func note(_ fields: HTTPFields) {
        for field in fields {
            let value = field.withUnsafeBytesOfValue { Transcript.escape($0) }
            log.append("  \(field.name.rawName):" + (value.isEmpty ? "" : " \(value)"))
        }
    }

    private mutating func flush() {
        guard !body.isEmpty else { return }
        let isLong = body.count > 200
        log.append(isLong ? "body of \(body.count)" : "body \(Transcript.escape(body))")
        body = []
    }
}
