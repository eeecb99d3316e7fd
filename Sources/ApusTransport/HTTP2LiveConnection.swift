import ApusCore
import ApusHTTP2
import ApusPool
import ApusSocket
import HTTPTypes

/// One HTTP/2 connection on its loop: many exchanges at once, each a stream of one session.
///
/// Everything that a tick brings about leaves in one write at the tick's end.
actor HTTP2LiveConnection: LiveConnection, WireOwner, Flushable {
    /// One stream and what it still needs.
    struct Stream {
        let exchange: Exchange
        /// Whether the peer had said how many streams it takes: a refusal then means it.
        let isWithinLimit: Bool
        var pump: UploadPump?
    }

    /// What the peer's GOAWAY said.
    private struct GoAway {
        let last: HTTP2StreamID
        let code: UInt32
    }

    /// What is gathered for one write.
    private static let writeSize = 64 * 1024
    /// Reads in a row before others on the loop have their turn.
    private static let maxReadsInRow = 1
    /// Streams refused in a row, none answered between, before the connection takes no more.
    private static let maxRefusalsInRow = 2

    nonisolated let id: ConnectionID
    nonisolated let facts: ConnectionFacts
    nonisolated let capacity: Int
    nonisolated var isHTTP2: Bool { true }
    nonisolated var creditsConsumption: Bool { true }
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    let wire: Wire
    private let keeper: any ConnectionKeeper
    let session: HTTP2Session
    private let liveness: HTTP2Liveness
    /// Every stream that is not closed on both sides; those whose exchange has ended keep their
    /// slot.
    var streams: [HTTP2StreamID: Stream] = [:]
    private var isFlushScheduled = false
    /// Why no more streams are taken; `nil` while they are.
    private var drainReason: CloseReason?
    private var goAway: GoAway?
    /// What ended the connection, for the streams that end with it.
    private var ending: (kind: TransportError.Kind, message: String)?
    /// What was wrong with the peer's bytes; acted on once the wire is not reading any more.
    private var inputError: HTTP2Error?
    private var refusalsInRow = 0
    private var hasSessions = false

    init(
        id: ConnectionID, wire: Wire, facts: ConnectionFacts, tuning: EngineTuning,
        keeper: any ConnectionKeeper
    ) throws(HTTP2Error) {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
        // A hundred until the peer says otherwise: most allow that many (RFC 9113, section 6.5.2).
        capacity = min(tuning.http2.maxStreamsPerConnection, 100)
        session = try HTTP2Session(tuning.http2, limits: tuning.limits)
        if tuning.http2.firstStream > 1 { session.skipStreamIDs(to: tuning.http2.firstStream) }
        liveness = HTTP2Liveness(tuning.http2, on: wire.loop)
    }

    /// Takes over the wire; called once, on the loop, before the pool hears of the connection.
    func attach() {
        wire.owner = self
        liveness.ping = { [weak self] in
            self?.assumeIsolated { connection in
                connection.session.ping()
                connection.scheduleFlush()
            }
        }
        liveness.suspected = { [weak self] in
            self?.assumeIsolated { $0.keeper.suspected($0) }
        }
        liveness.trusted = { [weak self] in
            self?.assumeIsolated { $0.keeper.trusted($0) }
        }
        liveness.died = { [weak self] in
            self?.assumeIsolated { $0.end(.timeout, .timeout, "no answer to a PING") }
        }
        scheduleFlush()
    }

    // MARK: From any thread

    nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.begin(exchange, isReused: isReused) }
    }

    nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        onLoop(loop) { $0.give(up: exchange) }
    }

    nonisolated func consumed(_ count: Int, by exchange: Exchange) {
        onLoop(loop) { connection in
            guard let stream = exchange.stream, connection.wire.isOpen else { return }
            connection.session.consumed(count, on: stream)
            if connection.session.wantsOutput { connection.scheduleFlush() }
        }
    }

    nonisolated func uploadReady(_ exchange: Exchange) {
        onLoop(loop) { connection in
            if let stream = exchange.stream { connection.pumpBody(of: stream) }
        }
    }

    nonisolated func close(_ reason: CloseReason) {
        onLoop(loop) { connection in
            connection.session.shutDown()
            connection.flushNow()
            connection.end(reason, .shutdown, "the connection was closed: \(reason)")
        }
    }

    nonisolated func wireReadable() {
        assumeIsolated { $0.readInput() }
    }

    nonisolated func wireWritable() {
        assumeIsolated { $0.flushNow() }
    }

    nonisolated func flush() {
        assumeIsolated { connection in
            connection.isFlushScheduled = false
            connection.flushNow()
        }
    }

    // MARK: Sending

    private func begin(_ exchange: Exchange, isReused: Bool) {
        guard wire.isOpen, drainReason == nil else {
            fail(exchange, .notSent)
            return keeper.released(self)
        }
        guard exchange.begin(on: self, isReused: isReused) else { return keeper.released(self) }
        let request = exchange.request
        let stream: HTTP2StreamID
        do throws(HTTP2Error) {
            stream = try session.submit(request.head, hasBody: !request.body.isEmpty)
        } catch {
            if session.isDraining { drain(.exhausted) }
            exchange.failed(
                TransportError.Kind(error), phase: .request, error.message, replay: .notSent)
            return keeper.released(self)
        }
        exchange.stream = stream
        exchange.requestStarted()
        if request.hasTimeouts { startTimers(of: exchange) }
        streams[stream] = Stream(exchange: exchange, isWithinLimit: session.hasPeerSettings)
        if streams.count == 1 { liveness.streamsOpened() }
        sendBody(of: exchange, on: stream)
        // The last stream number was used.
        if session.isDraining { drain(.exhausted) }
        scheduleFlush()
    }

    func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.scheduleFlush(self)
    }

    private func flushNow() {
        let scratch = loop.scratch
        do throws(HTTP2Error) {
            var hasMore = true
            while hasMore, wire.isWritable {
                scratch.plaintext.removeAll(keepingCapacity: true)
                hasMore = try session.nextOutput(
                    into: &scratch.plaintext, limit: HTTP2LiveConnection.writeSize)
                if !scratch.plaintext.isEmpty { wire.send(unsafe scratch.plaintext.span.bytes) }
                handleEvents()
            }
        } catch {
            sessionFailed(error)
        }
        if wire.sendError != nil { readInput(evenIfQuiet: true) }
    }

    // MARK: Receiving

    private func readInput(evenIfQuiet: Bool = false) {
        var reads = 0
        var isForced = evenIfQuiet
        while wire.mayHaveInput || isForced, wire.isOpen {
            isForced = false
            guard reads < HTTP2LiveConnection.maxReadsInRow else {
                return loop.execute { self.assumeIsolated { $0.readInput() } }
            }
            reads += 1
            do throws(WireError) {
                let outcome = try wire.read { bytesReceived($0) }
                if let inputError { return sessionFailed(inputError) }
                switch outcome {
                case .progress: handleEvents()
                case .wouldBlock:
                    if let error = wire.sendError {
                        end(.transportError, TransportError.Kind(error), error.description)
                    }
                    return
                case .end:
                    return end(.peerClosed, .truncated, "the peer ended the connection")
                }
            } catch {
                let (kind, message) = error.explained
                return end(kind == .truncated ? .peerClosed : .transportError, kind, message)
            }
        }
    }

    private func bytesReceived(_ bytes: RawSpan) {
        let now = Deadline.now()
        liveness.bytesReceived(now: now)
        session.timePassed(now: now)
        do throws(HTTP2Error) {
            try session.bytesReceived(bytes)
        } catch {
            inputError = error
        }
    }

    private func handleEvents() {
        while let event = session.nextEvent() { handle(event) }
        if session.wantsOutput { scheduleFlush() }
        if let drainReason, streams.isEmpty, wire.isOpen {
            end(drainReason, .shutdown, "the connection was drained")
        }
    }

    private func handle(_ event: HTTP2Event) {
        switch event {
        case .informational(let id, let response):
            streams[id]?.exchange.informationalReceived(response)
        case .head(let id, let response, _):
            guard let exchange = streams[id]?.exchange else { return }
            refusalsInRow = 0
            exchange.headReceived(response)
            exchange.wake()
        case .body(let id, let bytes):
            guard let exchange = streams[id]?.exchange else { return }
            _ = exchange.bodyReceived(bytes)
            exchange.wake()
        case .end(let id, let trailers):
            responseEnded(on: id, trailers)
        case .failed(let id, let failure):
            guard let stream = streams[id] else { return }
            judge(failure, of: stream)
            fail(stream.exchange, failure)
        case .closed(let id): streamClosed(id)
        case .bodyDrained(let id): bodyDrained(on: id)
        case .goAway(let last, let code, _): goAwayReceived(GoAway(last: last, code: code))
        case .settingsChanged(let maxStreams): keeper.capacityChanged(self, to: maxStreams)
        // Any byte is a sign of life, and it was counted as one when it came.
        case .pingAcknowledged: break
        }
    }

    private func responseEnded(on id: HTTP2StreamID, _ trailers: HTTPFields?) {
        guard let stream = streams[id] else { return }
        stream.exchange.timers.stop(on: loop)
        if !hasSessions {
            // The tickets came behind the handshake, thus before the first response.
            hasSessions = true
            keeper.sessionsReceived(from: wire)
        }
        stream.exchange.responseEnded(trailers: trailers)
        stream.exchange.wake()
        // An answer that came before the upload was done ends the upload.
        stream.pump?.stop()
        streams[id]?.pump = nil
        let isSent = stream.pump == nil || stream.exchange.bytesOwed == 0
        if !isSent || session.queuedBytes(on: id) > 0 { reset(id) }
    }

    /// Out of the pool before the streams that it ends hear of it, so that none comes back here.
    private func goAwayReceived(_ goAway: GoAway) {
        self.goAway = goAway
        drain(.goAway)
    }

    /// A refusal, or a wish for HTTP/1.1, may mean the connection and not this stream alone.
    private func judge(_ failure: StreamFailure, of stream: Stream) {
        switch failure {
        case .refused where stream.isWithinLimit:
            refusalsInRow += 1
            if refusalsInRow >= HTTP2LiveConnection.maxRefusalsInRow { drain(.goAway) }
        // HTTP_1_1_REQUIRED.
        case .reset(code: 0xD): drain(.goAway)
        default: break
        }
    }

    /// Takes no new streams; the connection goes with the last of those it has.
    private func drain(_ reason: CloseReason) {
        guard drainReason == nil else { return }
        drainReason = reason
        keeper.draining(self, reason: reason)
    }

    private func streamClosed(_ id: HTTP2StreamID) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        stream.pump?.stop()
        stream.exchange.timers.stop(on: loop)
        if streams.isEmpty { liveness.streamsClosed() }
        keeper.released(self)
    }

    // MARK: Ending

    private func give(up exchange: Exchange) {
        guard let stream = exchange.stream, streams[stream] != nil, wire.isOpen else { return }
        reset(stream)
    }

    private func startTimers(of exchange: Exchange) {
        exchange.timers.start(for: exchange, on: loop) { [weak self, weak exchange] phase in
            guard let self, let exchange else { return }
            self.assumeIsolated { $0.expire(exchange, phase) }
        }
    }

    private func expire(_ exchange: Exchange, _ phase: TransportError.Phase) {
        guard let stream = exchange.stream, streams[stream] != nil else { return }
        exchange.failed(.timeout, phase: phase, "no end within the \(phase.rawValue) timeout")
        reset(stream)
        liveness.doubted()
    }

    /// RST_STREAM(CANCEL); the slot is free once the session says `.closed`.
    func reset(_ id: HTTP2StreamID) {
        streams[id]?.pump?.stop()
        session.reset(id, code: 8)
        scheduleFlush()
    }

    /// Fails an exchange, and tells it of the GOAWAY or the error that its connection ended with.
    private func fail(_ exchange: Exchange, _ failure: StreamFailure) {
        var kind = TransportError.Kind(failure)
        var message = failure.explained
        switch failure {
        case .connectionLost:
            if let ending { (kind, message) = ending }
            if let goAway, goAway.code != 0 {
                kind = .h2GoAway(code: goAway.code, lastStreamID: goAway.last)
            }
        case .notSent:
            guard let goAway else { break }
            kind = .h2GoAway(code: goAway.code, lastStreamID: goAway.last)
        case .aboveLastStreamID(let code):
            kind = .h2GoAway(code: code, lastStreamID: goAway?.last ?? 0)
        default: break
        }
        exchange.failed(kind, message, replay: failure.replay(responseStarted: false))
    }

    private func sessionFailed(_ error: HTTP2Error) {
        ending = (TransportError.Kind(error), error.message)
        drain(.protocolViolation)
        guard wire.isOpen else { return }
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        // The GOAWAY that says why is worth sending, whatever became of the rest.
        _ = try? session.nextOutput(into: &scratch.plaintext, limit: HTTP2LiveConnection.writeSize)
        if wire.isWritable, !scratch.plaintext.isEmpty {
            wire.send(unsafe scratch.plaintext.span.bytes)
        }
        end(.protocolViolation, TransportError.Kind(error), error.message)
    }

    /// Closes, and gives every exchange in flight its verdict; idempotent.
    ///
    /// The pool hears of it first, so that no exchange that is sent again comes back here.
    private func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        guard wire.isOpen else { return }
        if ending == nil { ending = (kind, message) }
        keeper.sessionsReceived(from: wire)
        wire.close()
        liveness.stop()
        keeper.closed(self, reason: reason)
        session.streamEnded()
        while let event = session.nextEvent() { handle(event) }
        assert(streams.isEmpty, "the session forgot a stream")
    }
}
