import ApusCore
import ApusHTTP1
import ApusSocket
import ApusWire
import HTTPTypes

/// The body of the present request of an HTTP/1.1 connection, as far as the wire takes it.
///
/// Confined to the connection's loop.
final class HTTP1Upload {
    /// What is left to send.
    private enum Rest {
        /// Nothing.
        ///
        /// Exits: `.held`, `.segments`, `.pump`.
        case nothing
        /// All of it, held back until the peer says 100 or the timer ends.
        ///
        /// Exits: `.segments`, `.pump`; `.nothing` (a final answer came instead).
        case held(LoopTimer)
        /// Pieces at hand.
        ///
        /// Exits: `.nothing`.
        case segments(ArraySlice<Bytes>)
        /// Pieces from a producer, of which `remaining` are still owed (`nil`: chunked).
        ///
        /// Exits: `.nothing`.
        case pump(UploadPump, remaining: UInt64?)
    }

    /// What became of a step.
    enum Progress {
        /// Nothing more goes out now.
        case waits
        /// So much was sent in a row that others on the loop have their turn.
        case isCut
        /// The request has gone out whole.
        case isWhole
        /// It cannot go out whole.
        case failed(TransportError.Kind, String)

        fileprivate static func failed(_ invalid: InvalidRequest) -> Progress {
            .failed(.invalidRequest(invalid), invalid.description)
        }

        fileprivate static func broken(_ reason: String) -> Progress {
            .failed(InvalidRequest(field: "body", reason: reason))
        }
    }

    private let wire: Wire
    /// It owns this; a weak reference would make each retain of the connection slower.
    private unowned var connection: HTTP1LiveConnection?
    @exclusivity(unchecked) private var rest = Rest.nothing

    init(over wire: Wire) {
        self.wire = wire
    }

    /// Asks this connection to send on, from now on.
    func attach(to connection: HTTP1LiveConnection) {
        self.connection = connection
    }

    /// Whether nothing is left to send.
    var isOver: Bool { if case .nothing = rest { true } else { false } }
    /// Whether the peer has not asked for the body yet.
    var isHeld: Bool { if case .held = rest { true } else { false } }
    /// Whether all that the request declared has gone out, though its producer has not ended.
    var hasSentLength: Bool {
        if case .pump(_, remaining: 0) = rest { true } else { false }
    }
    /// Whether something of the body is ready to go out, or has not left.
    var isSending: Bool {
        switch rest {
        case .nothing, .held: wire.unsentCount > 0
        case .segments, .pump: true
        }
    }

    // MARK: The beginning

    /// Sends the head, and with it as much of a body at hand as goes out in the same turn.
    ///
    /// - Returns: whether that was all.
    func begin(_ exchange: Exchange, after head: RawSpan) -> Bool {
        let body = exchange.request.content
        guard case .segments(let segments) = body.content, body.length != nil else {
            wire.send(head)
            start(exchange)
            return false
        }
        exchange.bodyStarted()
        let end = wire.sentCount + Wire.maxSentInRow
        return send(segments[...], of: exchange, after: head, until: end)
    }

    /// Keeps the body back for so long, or until the peer wants it; then it is released.
    func hold(_ exchange: Exchange, for time: Duration) {
        let deadline = Deadline.now().advanced(by: time)
        rest = .held(
            wire.loop.schedule(at: deadline) { [weak connection, weak exchange] in
                guard let connection, let exchange else { return }
                connection.assumeIsolated { $0.releaseBody(of: exchange) }
            })
    }

    /// Makes a body ready that was held back; `false` when none is.
    func release(_ exchange: Exchange) -> Bool {
        guard case .held(let timer) = rest else { return false }
        wire.loop.cancel(timer)
        start(exchange)
        return true
    }

    /// Makes the body ready to go out after a head that has left.
    private func start(_ exchange: Exchange) {
        exchange.bodyStarted()
        let body = exchange.request.content
        if case .segments(let segments) = body.content, body.length != nil {
            rest = .segments(segments[...])
            return
        }
        let pump =
            exchange.pump
            ?? UploadPump(
                body.content, maxBuffered: exchange.request.limits.uploadBufferBytes)
        rest = .pump(pump, remaining: body.length)
        pump.start { [weak connection, weak exchange] in
            if let connection, let exchange { connection.uploadReady(exchange) }
        }
    }

    // MARK: The body

    /// Hands over as much of the body as the wire takes, and others on the loop can wait for.
    ///
    /// - Parameter start: what the wire had sent when the turn began.
    func advance(_ exchange: Exchange, since start: UInt64) -> Progress {
        let end = start + Wire.maxSentInRow
        while wire.isWritable {
            guard wire.sentCount < end else { return .isCut }
            switch rest {
            case .nothing, .held: return .waits
            case .segments(let segments):
                if send(segments, of: exchange, until: end) { return .isWhole }
            case .pump(let pump, let remaining):
                let next = pump.next()
                if let progress = send(next, of: exchange, remaining, from: pump) {
                    return progress
                }
            }
        }
        return .waits
    }

    /// Sends pieces at hand, the first of them together with the head; whether that was all.
    private func send(
        _ segments: ArraySlice<Bytes>, of exchange: Exchange, after head: RawSpan = RawSpan(),
        until end: UInt64
    ) -> Bool {
        // The state must not hold the pieces too, or taking one off would copy them all.
        rest = .nothing
        var pieces = segments.drop(while: \.isEmpty)
        if pieces.isEmpty { wire.send(head) }
        var head = head
        while !pieces.isEmpty, !head.isEmpty || wire.isWritable, wire.sentCount < end {
            let count = wire.send(head, pieces, until: end)
            head = RawSpan()
            exchange.bodySent(count)
            pieces.dropFirstBytes(count)
        }
        guard pieces.isEmpty else {
            rest = .segments(pieces)
            return false
        }
        exchange.requestSent()
        return true
    }

    /// Sends what a producer gave; `nil` when there may be more to send.
    private func send(
        _ next: UploadPump.Next, of exchange: Exchange, _ remaining: UInt64?,
        from pump: UploadPump
    ) -> Progress? {
        switch next {
        case .later: return .waits
        case .bytes(let bytes):
            guard let remaining else {
                sendChunk(bytes)
                exchange.bodySent(bytes.count)
                return nil
            }
            guard UInt64(bytes.count) <= remaining else {
                return .broken("has more bytes than its declared length")
            }
            rest = .pump(pump, remaining: remaining - UInt64(bytes.count))
            bytes.withSpan { wire.send($0) }
            exchange.bodySent(bytes.count)
            return nil
        case .end:
            if let remaining, remaining > 0 {
                return .broken("ended \(remaining) bytes before its declared length")
            }
            if remaining == nil, let failure = sendLastChunk(of: exchange) { return failure }
            rest = .nothing
            exchange.requestSent()
            return .isWhole
        case .failed(let error):
            exchange.producerFailed(error)
            return .failed(.producerFailed, UploadPump.explain(error))
        }
    }

    private func sendChunk(_ bytes: Bytes) {
        let scratch = wire.loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        RequestEncoder.appendChunkHead(size: bytes.count, to: &scratch.plaintext)
        bytes.withSpan { scratch.plaintext.append(copying: $0) }
        RequestEncoder.appendChunkEnd(to: &scratch.plaintext)
        scratch.plaintext.withSpan { wire.send($0) }
    }

    /// Ends a chunked body; the failure when its trailers cannot be sent.
    private func sendLastChunk(of exchange: Exchange) -> Progress? {
        let trailers = exchange.request.content.trailers?() ?? [:]
        let scratch = wire.loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        do throws(InvalidRequest) {
            try RequestEncoder.appendLastChunk(trailers: trailers, to: &scratch.plaintext)
        } catch {
            return .failed(error)
        }
        scratch.plaintext.withSpan { wire.send($0) }
        return nil
    }

    // MARK: The end

    /// Sends no more of the body, and cancels its producer.
    func stop(_ exchange: Exchange?) {
        let rest = rest
        self.rest = .nothing
        switch rest {
        case .nothing, .segments: break
        case .held(let timer): wire.loop.cancel(timer)
        case .pump(let pump, _): pump.stop()
        }
        exchange?.uploadEnded()
    }
}

extension ArraySlice<Bytes> {
    /// Takes so many bytes away from the front, and with them the pieces that have none left.
    fileprivate mutating func dropFirstBytes(_ count: Int) {
        var count = count
        while let piece = first, piece.count <= count {
            count -= piece.count
            removeFirst()
        }
        if count > 0 { self[startIndex] = self[startIndex].dropFirst(count) }
    }
}
