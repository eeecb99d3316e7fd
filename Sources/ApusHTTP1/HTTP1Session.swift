package import ApusCore
package import HTTPTypes

/// The client's side of one HTTP/1.1 connection: parses received bytes into responses, one request
/// at a time, and decides whether the connection may carry another.
///
/// Sans-IO: `requestStarted` and `requestFinished` report what was sent, `nextEvent` reads what was
/// received.
package struct HTTP1Session: Sendable {
    private enum State: Sendable {
        /// No exchange; any byte is unsolicited. Exits: `.head` (request).
        case idle
        /// Waiting for a head, or within one. Exits: `.head` (1xx), `.fixed`, `.chunked`,
        /// `.untilClose`, `.ending`, `.upgraded`, `.closed` (fault).
        case head
        /// Within a body of known length. Exits: `.ending`, `.closed` (stream ended).
        case fixed(remaining: UInt64)
        /// Within a chunked body. Exits: `.idle`, `.closed`.
        case chunked
        /// Within a body that ends with the stream. Exits: `.closed` (stream ended).
        case untilClose
        /// The body is complete, its end not yet reported. Exits: `.idle`, `.closed`.
        case ending
        /// The bytes belong to a raw duplex; final.
        case upgraded
        /// Nothing more can be exchanged; final.
        case closed
    }

    private let limits: EngineTuning.Limits
    private let lenience: EngineTuning.Lenience
    private var state = State.idle
    private var head: HeadParser
    private var chunks: ChunkedDecoder
    private var asked = RequestFacts()
    private var informationalCount = 0
    /// The reason, found in the final head, why the connection cannot be kept.
    private var objection: CloseReason?

    /// Whether any byte of the current or last response was received.
    package private(set) var responseStarted = false
    /// Why the connection cannot be used again; `nil` after `.end` when it can.
    package private(set) var closeReason: CloseReason?
    /// The keep-alive hint of the last response.
    package private(set) var keepAliveHint = KeepAliveHint()

    /// Creates an idle machine; `lenience` selects faults that are accepted.
    package init(limits: EngineTuning.Limits, lenience: EngineTuning.Lenience = .init()) {
        self.limits = limits
        self.lenience = lenience
        head = .head(lenience)
        chunks = ChunkedDecoder(lenience)
    }

    /// Whether no exchange is in flight and another may begin.
    package var isIdle: Bool {
        if case .idle = state { true } else { false }
    }

    // MARK: Requests

    /// The first bytes of a request were sent, or are about to be.
    ///
    /// `expectsClose`: the request has `Connection: close`. `upgrade`: the protocols that it
    /// requests instead of HTTP, to one of which a 101 may switch.
    package mutating func requestStarted(
        method: HTTPRequest.Method, expectsClose: Bool, upgrade: String?
    ) {
        precondition(isIdle, "a request was started in state \(state)")
        state = .head
        asked = RequestFacts(
            isHead: method == .head, isConnect: method == .connect, upgrade: upgrade,
            expectsClose: expectsClose, isFinished: false)
        head = .head(lenience)
        informationalCount = 0
        objection = nil
        responseStarted = false
        keepAliveHint = KeepAliveHint()
    }

    /// The last byte of the request was sent.
    package mutating func requestFinished() {
        asked.isFinished = true
    }

    // MARK: Responses

    /// Reads from `offset`, which advances over consumed bytes, up to the next event.
    ///
    /// Call it until it returns `nil`: then all input is consumed, and incomplete heads and lines
    /// are kept inside. After `.upgraded` it consumes nothing.
    ///
    /// - Parameter recent: the last head, of this connection or another.
    /// - Throws: the fault of the peer; the connection cannot be used any more.
    package mutating func nextEvent(
        in input: RawSpan, offset: inout Int, recent: inout RecentFields
    ) throws(HTTP1Error) -> HTTP1Event? {
        do throws(HTTP1Error) {
            return try readEvent(in: input, at: &offset, &recent)
        } catch {
            state = .closed
            let isUnsolicited = error.reason == .unsolicited
            closeReason = closeReason ?? (isUnsolicited ? .unsolicitedBytes : .protocolViolation)
            throw error
        }
    }

    /// The same without a memory.
    package mutating func nextEvent(
        in input: RawSpan, offset: inout Int
    ) throws(HTTP1Error) -> HTTP1Event? {
        var none = RecentFields()
        return try nextEvent(in: input, offset: &offset, recent: &none)
    }

    private mutating func readEvent(
        in input: RawSpan, at offset: inout Int, _ recent: inout RecentFields
    ) throws(HTTP1Error) -> HTTP1Event? {
        switch state {
        case .upgraded: return nil
        case .ending: return finish(trailers: nil, hasMoreInput: offset < input.byteCount)
        default: break
        }
        guard offset < input.byteCount else { return nil }
        switch state {
        case .idle, .closed:
            throw .bytesWithoutRequest
        case .head:
            responseStarted = true
            guard try head.parse(input, at: &offset, limits: limits, recent: &recent) else {
                return nil
            }
            return try headCompleted(&recent)
        case .fixed(let remaining):
            let start = offset
            offset += Int(min(remaining, UInt64(input.byteCount - offset)))
            let rest = remaining - UInt64(offset - start)
            state = rest == 0 ? .ending : .fixed(remaining: rest)
            return .body(start..<offset)
        case .chunked:
            switch try chunks.next(in: input, at: &offset, limits: limits) {
            case .needsMore: return nil
            case .data(let range): return .body(range)
            case .end(let trailers):
                // An idle connection holds no trailers.
                if trailers != nil { chunks = ChunkedDecoder(lenience) }
                return finish(trailers: trailers, hasMoreInput: offset < input.byteCount)
            }
        case .untilClose:
            let start = offset
            offset = input.byteCount
            return .body(start..<offset)
        case .ending, .upgraded: return nil
        }
    }

    /// The peer ended its stream: this ends a close-delimited body, and is a fault where a response
    /// was incomplete.
    package mutating func streamEnded() throws(HTTP1Error) -> HTTP1Event? {
        switch state {
        case .ending: return finish(trailers: nil, hasMoreInput: false)
        case .untilClose:
            closeReason = asked.isFinished ? .closeDelimited : .requestUnfinished
            state = .closed
            return .end(trailers: nil)
        case .idle:
            state = .closed
            closeReason = .peerClosed
            return nil
        case .upgraded, .closed: return nil
        case .head, .fixed, .chunked:
            let fault = truncation
            state = .closed
            closeReason = .peerClosed
            throw fault
        }
    }

    private var truncation: HTTP1Error {
        switch state {
        case .head where !responseStarted:
            .closedBeforeResponse
        case .head where !head.hasBegun:
            .closedBeforeFinalResponse
        case .head: .closedInHead
        case .fixed(let remaining):
            .closedInBody(missing: remaining)
        default: .closedInChunks
        }
    }

    // MARK: Transitions

    private mutating func headCompleted(
        _ recent: inout RecentFields
    ) throws(HTTP1Error) -> HTTP1Event {
        defer { head = .head(lenience) }
        guard let line = head.statusLine else { preconditionFailure("a head without status line") }
        let facts = head.fields.facts
        let framing = try BodyFraming.of(
            code: line.code, minorVersion: line.minorVersion, facts: facts, asked: asked)
        let response = head.response(to: line, &recent)
        if case .tunnel = framing {
            try checkProtocol(of: response)
            state = .upgraded
            closeReason = .upgraded
            return .upgraded(response)
        }
        guard line.code >= 200 else { return try informationalCompleted(response) }

        keepAliveHint = facts.keepAlive
        objection = objection(minorVersion: line.minorVersion, facts)
        switch framing {
        case .none, .tunnel, .length(0):
            state = .ending
            return .head(response, bodyLength: 0)
        case .length(let length):
            state = .fixed(remaining: length)
            return .head(response, bodyLength: length)
        case .chunked:
            chunks = ChunkedDecoder(lenience)
            state = .chunked
        case .untilClose: state = .untilClose
        }
        return .head(response, bodyLength: nil)
    }

    /// A peer may switch only to a requested protocol (RFC 9110, section 7.8).
    private func checkProtocol(of response: HTTPResponse) throws(HTTP1Error) {
        guard response.status.code == 101, let upgrade = asked.upgrade else { return }
        let offered = protocols(in: upgrade)
        let chosen = response.headerFields[values: .upgrade].flatMap(protocols(in:))
        guard !chosen.isEmpty, chosen.allSatisfy(offered.contains) else {
            throw .otherUpgrade
        }
    }

    private func protocols(in list: String) -> [String] {
        list.split(separator: ",").map { element in
            String(element.filter { $0 != " " && $0 != "\t" }).lowercased()
        }
    }

    private mutating func informationalCompleted(
        _ response: HTTPResponse
    ) throws(HTTP1Error) -> HTTP1Event {
        informationalCount += 1
        guard informationalCount <= limits.informationalResponses else {
            throw .informationalResponses(most: limits.informationalResponses)
        }
        return .informational(response)
    }

    /// Persistence (RFC 9112, section 9.3): the default of the version, and what either side
    /// requested.
    private func objection(minorVersion: UInt8, _ facts: MessageFacts) -> CloseReason? {
        if asked.expectsClose || facts.saysClose { return .connectionClose }
        // A server that announces `max=0` closes without `Connection: close`.
        if facts.keepAlive.max == 0 { return .exhausted }
        return minorVersion == 0 && !facts.saysKeepAlive ? .connectionClose : nil
    }

    /// Ends the exchange; input after a complete response is never read as the next response.
    private mutating func finish(trailers: HTTPFields?, hasMoreInput: Bool) -> HTTP1Event {
        closeReason =
            if !asked.isFinished { .requestUnfinished } else if let objection { objection } else {
                hasMoreInput ? .unsolicitedBytes : nil
            }
        state = closeReason == nil ? .idle : .closed
        return .end(trailers: trailers)
    }
}
