import ApusCore
import ApusHTTP1
import ApusPool
import ApusSocket
import HTTPTypes

/// One HTTP/1.1 connection on its loop: one exchange at a time, and a watch over its idle time.
actor HTTP1LiveConnection: LiveConnection, WireOwner {
    /// What is left to send of the present request's body.
    private enum Outgoing {
        /// Nothing.
        ///
        /// Exits: `.segments`, `.pump`.
        case nothing
        /// Pieces at hand.
        ///
        /// Exits: `.nothing`.
        case segments(ArraySlice<Bytes>)
        /// Pieces from a producer, of which `remaining` are still owed (`nil`: chunked).
        ///
        /// Exits: `.nothing`.
        case pump(UploadPump, remaining: UInt64?)

        var isNothing: Bool { if case .nothing = self { true } else { false } }
    }

    /// A body up to this size leaves in one write with its head.
    private static let maxJoinedBody = 32 * 1024
    /// What is handed to the wire in one go.
    private static let writeSize = 256 * 1024
    /// Reads in a row before others on the loop have their turn.
    private static let maxReadsInRow = 1

    nonisolated let id: ConnectionID
    nonisolated let facts: ConnectionFacts
    nonisolated var isHTTP2: Bool { false }
    nonisolated var creditsConsumption: Bool { false }
    nonisolated var capacity: Int { 1 }
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let wire: Wire
    private let keeper: any ConnectionKeeper
    private let keepAliveMargin: Duration
    private var machine: HTTP1Connection
    private var exchange: Exchange?
    private var outgoing = Outgoing.nothing
    private var isPaused = false
    /// The rest of a response that nobody wants, read only to save the connection.
    private var drain: Drain?

    /// How much more of an unwanted body is read.
    private struct Drain {
        var bytesLeft: Int
        let timer: LoopTimer
    }

    /// How long an unwanted body is read.
    private static let drainTime = Duration.milliseconds(50)

    init(
        id: ConnectionID, wire: Wire, facts: ConnectionFacts, tuning: EngineTuning,
        keeper: any ConnectionKeeper
    ) {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
        keepAliveMargin = tuning.http1.keepAliveMargin
        machine = HTTP1Connection(limits: tuning.limits)
    }

    /// Takes over the wire; called once, on the loop, before the pool hears of the connection.
    func attach() {
        wire.owner = self
    }

    // MARK: From any thread

    nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.begin(exchange, isReused: isReused) }
    }

    nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        onLoop(loop) { $0.give(up: exchange, reason) }
    }

    nonisolated func consumed(_ count: Int, by exchange: Exchange) {
        onLoop(loop) { $0.resumeReading(for: exchange) }
    }

    nonisolated func uploadReady(_ exchange: Exchange) {
        onLoop(loop) { connection in
            if connection.exchange === exchange { connection.sendBody() }
        }
    }

    nonisolated func close(_ reason: CloseReason) {
        onLoop(loop) { $0.end(reason, .shutdown, "the connection was closed: \(reason)") }
    }

    nonisolated func wireReadable() {
        assumeIsolated { $0.readInput() }
    }

    nonisolated func wireWritable() {
        assumeIsolated { $0.sendBody() }
    }

    // MARK: Sending

    private func begin(_ exchange: Exchange, isReused: Bool) {
        guard wire.isOpen else {
            return exchange.failed(
                .reset, phase: .send, "the connection had closed before the request left",
                replay: .notSent)
        }
        precondition(self.exchange == nil, "two exchanges at once on an HTTP/1.1 connection")
        guard exchange.begin(on: self, isReused: isReused) else { return keeper.released(self) }
        self.exchange = exchange
        let request = exchange.request
        let framing = RequestFraming(for: request)
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        do throws(InvalidRequest) {
            try RequestEncoder.appendHead(
                of: request.head, target: request.http1Target, framing: framing,
                connection: request.reuse == .oneShot ? .close : .keepAlive,
                additional: request.proxyFields, to: &scratch.plaintext)
        } catch {
            self.exchange = nil
            exchange.failed(.invalidRequest(error), phase: .request, "\(error)")
            return keeper.released(self)
        }
        machine.requestStarted(
            method: request.head.method, expectsClose: request.reuse == .oneShot, isUpgrade: false)
        exchange.requestStarted()
        if request.hasTimeouts { startTimers(of: exchange) }
        prepareBody(of: exchange, framing, joinedTo: &scratch.plaintext)
        wire.send(unsafe scratch.plaintext.span.bytes)
        sendBody()
    }

    /// Decides how the body goes out; a small one at hand joins the head.
    private func prepareBody(
        of exchange: Exchange, _ framing: RequestFraming, joinedTo head: inout [UInt8]
    ) {
        let body = exchange.request.body
        switch body.content {
        case .segments(let segments):
            guard let length = body.length, length <= HTTP1LiveConnection.maxJoinedBody else {
                outgoing = .segments(segments[...])
                return
            }
            for segment in segments { segment.withSpan { head.append(copying: $0) } }
            exchange.bodySent(Int(length))
            finishRequest()
        case .stream, .file:
            let pump = UploadPump(maxBuffered: exchange.request.limits.uploadBufferBytes)
            outgoing = .pump(pump, remaining: framing == .chunked ? nil : body.length)
            pump.start(body.content) { [weak self, weak exchange] in
                guard let self, let exchange else { return }
                self.uploadReady(exchange)
            }
        }
    }

    /// Hands over as much of the body as the wire takes.
    private func sendBody() {
        guard let exchange else { return }
        while wire.isWritable {
            switch outgoing {
            case .nothing: return
            case .segments(var segments):
                guard let first = segments.popFirst() else { return finishRequest() }
                let piece = first.prefix(HTTP1LiveConnection.writeSize)
                if piece.count < first.count {
                    segments = [first.dropFirst(piece.count)] + segments
                }
                outgoing = .segments(segments)
                piece.withSpan { wire.send($0) }
                exchange.bodySent(piece.count)
            case .pump(let pump, let remaining):
                guard send(pump.next(), remaining: remaining, from: pump) else { return }
            }
        }
        if wire.sendError != nil { sendingFailed() }
    }

    /// Sends what a producer gave; `false` when there is nothing to go on with now.
    private func send(_ next: UploadPump.Next, remaining: UInt64?, from pump: UploadPump) -> Bool {
        switch next {
        case .later: return false
        case .bytes(let bytes):
            guard let remaining else {
                sendChunk(bytes)
                return true
            }
            guard UInt64(bytes.count) <= remaining else {
                failUpload("has more bytes than its declared length")
                return false
            }
            outgoing = .pump(pump, remaining: remaining - UInt64(bytes.count))
            bytes.withSpan { wire.send($0) }
            exchange?.bodySent(bytes.count)
            // The answer may come before the producer says that it is done.
            if UInt64(bytes.count) == remaining { machine.requestFinished() }
            return true
        case .end:
            if let remaining, remaining > 0 {
                failUpload("ended \(remaining) bytes before its declared length")
                return false
            }
            if remaining == nil { sendLastChunk() }
            finishRequest()
            return false
        case .failed(let message):
            failUpload(message)
            return false
        }
    }

    private func sendChunk(_ bytes: Bytes) {
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        RequestEncoder.appendChunkHead(size: bytes.count, to: &scratch.plaintext)
        bytes.withSpan { scratch.plaintext.append(copying: $0) }
        RequestEncoder.appendChunkEnd(to: &scratch.plaintext)
        wire.send(unsafe scratch.plaintext.span.bytes)
        exchange?.bodySent(bytes.count)
    }

    private func sendLastChunk() {
        var last: [UInt8] = []
        // Without trailers nothing can be refused.
        try? RequestEncoder.appendLastChunk(trailers: [:], to: &last)
        wire.send(unsafe last.span.bytes)
    }

    private func finishRequest() {
        outgoing = .nothing
        machine.requestFinished()
        exchange?.timings.sent()
    }

    private func failUpload(_ message: String) {
        let invalid = InvalidRequest(field: "body", reason: message)
        end(.requestUnfinished, .invalidRequest(invalid), invalid.description)
    }

    /// A parsed response beats a broken pipe: what the peer had said is read before giving up.
    private func sendingFailed() {
        stopUpload()
        readInput(evenIfQuiet: true)
        guard exchange != nil, wire.isOpen, let error = wire.sendError else { return }
        end(.transportError, .reset, error.description)
    }

    // MARK: Receiving

    private func readInput(evenIfQuiet: Bool = false) {
        var reads = 0
        var isForced = evenIfQuiet
        while wire.mayHaveInput || isForced, !isPaused, wire.isOpen {
            isForced = false
            guard reads < HTTP1LiveConnection.maxReadsInRow else {
                return loop.execute { self.assumeIsolated { $0.readInput() } }
            }
            reads += 1
            do throws(WireError) {
                switch try wire.read({ bytesReceived($0) }) {
                case .progress: continue
                case .wouldBlock: return
                case .end: return peerEnded()
                }
            } catch {
                return wireFailed(error)
            }
        }
    }

    private func bytesReceived(_ bytes: RawSpan) {
        var offset = 0
        // Told once, at the end: by then the connection may be free for the caller's next request.
        let exchange = exchange
        defer { exchange?.wake() }
        do throws(HTTP1Error) {
            while wire.isOpen, let event = try machine.nextEvent(in: bytes, offset: &offset) {
                handle(event, in: bytes)
            }
        } catch {
            guard self.exchange != nil || drain != nil else {
                return end(.unsolicitedBytes, .malformed, error.rule)
            }
            end(.protocolViolation, TransportError.Kind(error), error.rule)
        }
    }

    private func handle(_ event: HTTP1Event, in bytes: RawSpan) {
        switch event {
        case .informational(let response): exchange?.informationalReceived(response)
        case .head(let response, _): exchange?.headReceived(response)
        case .body(let range):
            guard drain == nil else { return drained(range.count) }
            let goesOn = exchange?.bodyReceived(Bytes(copying: bytes.extracting(range))) ?? true
            isPaused = !goesOn
        case .end(let trailers): responseEnded(trailers)
        case .upgraded: end(.protocolViolation, .malformed, "a 101 that nobody asked for")
        }
    }

    private func responseEnded(_ trailers: HTTPFields?) {
        stopUpload()
        isPaused = false
        keeper.sessionsReceived(from: wire, on: self)
        if let drain {
            loop.cancel(drain.timer)
            self.drain = nil
            return free(machine.closeReason)
        }
        guard let exchange else { return }
        self.exchange = nil
        exchange.timers.stop(on: loop)
        let oneShot: CloseReason? = exchange.request.reuse == .oneShot ? .notPooled : nil
        free(machine.closeReason ?? oneShot)
        exchange.responseEnded(trailers: trailers)
    }

    /// Back to the pool, or closed when there is a reason to.
    private func free(_ reason: CloseReason?) {
        if let reason {
            wire.close()
            return keeper.closed(self, reason: reason)
        }
        if let timeout = machine.keepAliveHint.timeout {
            keeper.idleTimeHinted(self, max(.zero, timeout - keepAliveMargin))
        }
        keeper.released(self)
    }

    /// Reads on without a reader, in the hope that the response ends soon.
    private func drainResponse(of exchange: Exchange) {
        self.exchange = nil
        exchange.timers.stop(on: loop)
        let deadline = Deadline.now().advanced(by: HTTP1LiveConnection.drainTime)
        let timer = loop.schedule(at: deadline) { [weak self] in
            self?.assumeIsolated { $0.end(.responseUnfinished, .cancelled, "dropped") }
        }
        drain = Drain(bytesLeft: exchange.request.limits.drainBytes, timer: timer)
        isPaused = false
        readInput()
    }

    private func drained(_ count: Int) {
        guard var drain else { return }
        drain.bytesLeft -= count
        self.drain = drain
        if drain.bytesLeft < 0 { end(.responseUnfinished, .cancelled, "dropped") }
    }

    private func resumeReading(for exchange: Exchange) {
        guard self.exchange === exchange, isPaused else { return }
        isPaused = false
        readInput()
    }

    // MARK: Ending

    private func peerEnded() {
        do throws(HTTP1Error) {
            let exchange = exchange
            if case .end(let trailers) = try machine.streamEnded() {
                responseEnded(trailers)
                exchange?.wake()
            }
            end(.peerClosed, .truncated, "the connection ended")
        } catch {
            end(.peerClosed, TransportError.Kind(error), error.rule)
        }
    }

    private func wireFailed(_ error: WireError) {
        let (kind, message) = error.explained
        end(kind == .truncated ? .peerClosed : .transportError, kind, message)
    }

    private func startTimers(of exchange: Exchange) {
        exchange.timers.start(for: exchange, on: loop) { [weak self, weak exchange] phase in
            guard let self, let exchange else { return }
            self.assumeIsolated { $0.expire(exchange, phase) }
        }
    }

    private func expire(_ exchange: Exchange, _ phase: TransportError.Phase) {
        guard self.exchange === exchange else { return }
        exchange.failed(.timeout, phase: phase, "no end within the \(phase.rawValue) timeout")
        end(.timeout, .timeout, "timeout")
    }

    private func give(up exchange: Exchange, _ reason: CloseReason) {
        guard self.exchange === exchange else { return }
        // A body that was dropped may be short, a cancelled request may answer at any time.
        let isWorthDraining =
            reason == .responseUnfinished && exchange.request.reuse != .oneShot
            && exchange.request.limits.drainBytes > 0 && outgoing.isNothing && !machine.isIdle
        guard isWorthDraining else { return end(reason, .cancelled, "cancelled") }
        drainResponse(of: exchange)
    }

    /// Closes, and fails what is in flight; idempotent.
    private func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        guard wire.isOpen else { return }
        stopUpload()
        if let drain { loop.cancel(drain.timer) }
        drain = nil
        keeper.sessionsReceived(from: wire, on: self)
        wire.close()
        let exchange = exchange
        self.exchange = nil
        exchange?.timers.stop(on: loop)
        keeper.closed(self, reason: reason)
        exchange?.failed(kind, message)
    }

    private func stopUpload() {
        if case .pump(let pump, _) = outgoing { pump.stop() }
        outgoing = .nothing
    }
}
