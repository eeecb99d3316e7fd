import ApusCore
import ApusHTTP1
import HTTPTypes

/// A whole HTTP/1.1 connection: exchanges one after the other, played whole, byte by byte and in
/// pieces, which must come to the same.
///
/// An input is a seed, a byte of limits, and a script: `00 '>' F` starts a request with the flags
/// F, `00 'E'` ends the peer's stream, all other bytes come from the peer.
enum ConnectionTarget {
    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        let seed = choices.byte()
        let limits = limits(choices.byte())
        let script = Script.parts(of: choices.rest())
        var first: [String]?
        for cut in Cut.all(seed: seed) {
            var player = ConnectionPlayer(limits: limits)
            for part in script { player.play(part, cut) }
            let log = player.finish()
            if let first {
                precondition(first == log, "\(cut): \(log)\nis not: \(first)")
            }
            first = log
        }
    }

    /// Bounds small enough to be met, when a bit asks for them.
    private static func limits(_ bits: UInt8) -> EngineTuning.Limits {
        var limits = EngineTuning.Limits()
        if bits & 1 != 0 { limits.headBytes = 64 }
        if bits & 2 != 0 { limits.headFields = 2 }
        if bits & 4 != 0 { limits.informationalResponses = 1 }
        if bits & 8 != 0 { limits.chunkExtensionBytes = 8 }
        return limits
    }
}

/// The parts of a connection's story.
enum Script {
    case request(flags: UInt8)
    case bytes([UInt8])
    case streamEnd

    static func parts(of input: [UInt8]) -> [Script] {
        var parts: [Script] = []
        var bytes: [UInt8] = []
        var index = 0
        while index < input.count {
            let next = index + 1 < input.count ? input[index + 1] : 0
            let isRequest = input[index] == 0 && next == UInt8(ascii: ">")
            guard isRequest || (input[index] == 0 && next == UInt8(ascii: "E")) else {
                bytes.append(input[index])
                index += 1
                continue
            }
            if !bytes.isEmpty { parts.append(.bytes(bytes)) }
            bytes = []
            if isRequest {
                parts.append(.request(flags: index + 2 < input.count ? input[index + 2] : 0))
            } else {
                parts.append(.streamEnd)
            }
            index += isRequest ? 3 : 2
        }
        if !bytes.isEmpty { parts.append(.bytes(bytes)) }
        return parts
    }
}

/// Plays a script to one connection machine and writes down what it says.
struct ConnectionPlayer {
    private var machine: HTTP1Session
    private(set) var log: [String] = []
    private(set) var body: [UInt8] = []
    /// What belongs to a raw duplex.
    private var rest: [UInt8] = []
    private var hasFailed = false
    private var isUpgraded = false
    /// What the present response may still bring, so that events out of order are noticed.
    private var expectsHead = false

    init(limits: EngineTuning.Limits) {
        machine = HTTP1Session(limits: limits)
    }

    mutating func play(_ part: Script, _ cut: Cut) {
        switch part {
        case .request(let flags): start(flags)
        case .bytes(let bytes):
            for piece in cut.pieces(of: bytes) { receive(Array(piece)) }
        case .streamEnd: endStream()
        }
    }

    mutating func finish() -> [String] {
        flush()
        log.append("rest \(rest)")
        log.append("\(machine.isIdle) \(machine.responseStarted) \(machine.keepAliveHint)")
        log.append("\(String(describing: machine.closeReason))")
        return log
    }

    private mutating func start(_ flags: UInt8) {
        flush()
        guard machine.isIdle, !hasFailed else { return log.append("not idle") }
        precondition(machine.closeReason == nil, "an idle connection that cannot be used")
        let methods: [HTTPRequest.Method] = [.get, .head, .connect, .post]
        machine.requestStarted(
            method: methods[Int(flags & 3)], expectsClose: flags & 4 != 0,
            upgrade: flags & 8 != 0 ? "websocket, x/1" : nil)
        if flags & 16 == 0 { machine.requestFinished() }
        expectsHead = true
        log.append("request \(flags & 31)")
    }

    private mutating func receive(_ bytes: [UInt8]) {
        guard !hasFailed else { return }
        var offset = 0
        do throws(HTTP1Error) {
            while let event = try bytes.withSpan({ span throws(HTTP1Error) in
                try machine.nextEvent(in: span, offset: &offset)
            }) { note(event, of: bytes, at: offset) }
        } catch {
            fail(error)
            return
        }
        if isUpgraded {
            rest += bytes[offset...]
        } else {
            precondition(offset == bytes.count, "input was left over")
        }
    }

    private mutating func note(_ event: HTTP1Event, of bytes: [UInt8], at offset: Int) {
        precondition(offset <= bytes.count, "the offset is beyond the input")
        switch event {
        case .body(let range):
            precondition(!expectsHead && !range.isEmpty && range.upperBound <= offset)
            body += bytes[range]
            return
        case .informational(let response):
            precondition(expectsHead && (100..<200).contains(response.status.code))
            write("informational", response)
        case .head(let response, let length):
            precondition(expectsHead && response.status.code >= 200)
            expectsHead = false
            write("head \(length.map(String.init) ?? "-")", response)
        case .upgraded(let response):
            precondition(expectsHead)
            isUpgraded = true
            write("upgraded", response)
        case .end(let trailers):
            precondition(!expectsHead, "an end without a head")
            precondition(
                offset == bytes.count || !machine.isIdle,
                "bytes follow a response, and the connection may be used again")
            flush()
            log.append("end \(trailers.map { "\($0)" } ?? "-")")
        }
    }

    private mutating func write(_ word: String, _ response: HTTPResponse) {
        flush()
        for field in response.headerFields {
            precondition(
                !field.value.utf8.contains { $0 == 0x0A || $0 == 0x0D || $0 == 0 },
                "a value holds a line's end")
        }
        log.append("\(word) \(response.status) \(response.headerFields)")
    }

    private mutating func endStream() {
        guard !hasFailed else { return }
        do throws(HTTP1Error) {
            if let event = try machine.streamEnded() { note(event, of: [], at: 0) }
        } catch {
            fail(error)
        }
    }

    private mutating func fail(_ error: HTTP1Error) {
        flush()
        hasFailed = true
        precondition(machine.closeReason != nil && !machine.isIdle, "a fault that is forgotten")
        log.append("\(error)")
    }

    private mutating func flush() {
        guard !body.isEmpty else { return }
        log.append("body \(body)")
        body = []
    }
}
