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
    private struct Stream {
        let exchange: Exchange
        var pump: UploadPump?
    }

    /// What is gathered for one write.
    private static let writeSize = 64 * 1024
    /// Reads in a row before others on the loop have their turn.
    private static let maxReadsInRow = 1

    nonisolated let id: ConnectionID
    nonisolated let facts: ConnectionFacts
    nonisolated let capacity: Int
    nonisolated var isHTTP2: Bool { true }
    nonisolated var creditsConsumption: Bool { true }
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let wire: Wire
    private let keeper: any ConnectionKeeper
    private let session: HTTP2Session
    private let liveness: HTTP2Liveness
    /// Every stream that is not closed on both sides; those whose exchange has ended keep their
    /// slot.
    private var streams: [HTTP2StreamID: Stream] = [:]
    private var isFlushScheduled = false
    private var isDraining = false
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
        guard wire.isOpen, !isDraining else {
            exchange.failed(
                .reset, phase: .send, "the connection took no more streams before the request left",
                replay: .notSent)
            return keeper.released(self)
        }
        guard exchange.begin(on: self, isReused: isReused) else { return keeper.released(self) }
        let request = exchange.request
        let stream: HTTP2StreamID
        do throws(HTTP2Error) {
            stream = try session.submit(request.head, hasBody: !request.body.isEmpty)
        } catch {
            exchange.failed(
                TransportError.Kind(error), phase: .request, error.message, replay: .notSent)
            return keeper.released(self)
        }
        exchange.stream = stream
        exchange.requestStarted()
        if request.hasTimeouts { startTimers(of: exchange) }
        streams[stream] = Stream(exchange: exchange)
        if streams.count == 1 { liveness.streamsOpened() }
        sendBody(of: exchange, on: stream)
        scheduleFlush()
    }

    private func sendBody(of exchange: Exchange, on stream: HTTP2StreamID) {
        let body = exchange.request.body
        guard !body.isEmpty else { return exchange.timings.sent() }
        switch body.content {
        case .segments(let segments):
            for (index, segment) in segments.enumerated() {
                session.send(segment, endOfBody: index == segments.count - 1, on: stream)
            }
        case .stream, .file:
            let pump = UploadPump(maxBuffered: exchange.request.limits.uploadBufferBytes)
            streams[stream]?.pump = pump
            pump.start(body.content) { [weak self, weak exchange] in
                guard let self, let exchange else { return }
                self.uploadReady(exchange)
            }
        }
    }

    /// Moves what a producer made into the session, a bounded number of bytes ahead.
    private func pumpBody(of id: HTTP2StreamID) {
        guard let stream = streams[id], let pump = stream.pump, wire.isOpen else { return }
        let limits = stream.exchange.request.limits
        while session.queuedBytes(on: id) < limits.uploadBufferBytes {
            switch pump.next() {
            case .later: return scheduleFlush()
            case .bytes(let bytes):
                stream.exchange.bodySent(bytes.count)
                let owed = stream.exchange.bytesOwed
                if let owed, owed < 0 {
                    return failUpload(of: id, "has more bytes than its declared length")
                }
                // The last declared byte ends the stream: the answer may come before the producer
                // says that it is done.
                session.send(bytes, endOfBody: owed == 0, on: id)
                if owed == 0 { stream.exchange.timings.sent() }
            case .end:
                streams[id]?.pump = nil
                switch stream.exchange.bytesOwed {
                case nil:
                    session.send(.empty, endOfBody: true, on: id)
                    stream.exchange.timings.sent()
                case 0: break
                case let owed?:
                    return failUpload(of: id, "ended \(owed) bytes before its declared length")
                }
                return scheduleFlush()
            case .failed(let message):
                return failUpload(of: id, message)
            }
        }
        scheduleFlush()
    }

    private func failUpload(of id: HTTP2StreamID, _ message: String) {
        let invalid = InvalidRequest(field: "body", reason: message)
        streams[id]?.exchange.failed(.invalidRequest(invalid), invalid.description)
        reset(id)
    }

    private func scheduleFlush() {
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
                switch try wire.read({ bytesReceived($0) }) {
                case .progress: handleEvents()
                case .wouldBlock:
                    if let error = wire.sendError {
                        end(.transportError, .reset, error.description)
                    }
                    return
                case .end:
                    return peerEnded()
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
            sessionFailed(error)
        }
    }

    private func handleEvents() {
        while let event = session.nextEvent() { handle(event) }
        if session.wantsOutput { scheduleFlush() }
        if isDraining, streams.isEmpty, wire.isOpen {
            end(.goAway, .shutdown, "the connection was drained")
        }
    }

    private func handle(_ event: HTTP2Event) {
        switch event {
        case .informational(let id, let response):
            streams[id]?.exchange.informationalReceived(response)
        case .head(let id, let response, _):
            guard let exchange = streams[id]?.exchange else { return }
            exchange.headReceived(response)
            exchange.wake()
        case .body(let id, let bytes):
            guard let exchange = streams[id]?.exchange else { return }
            _ = exchange.bodyReceived(bytes)
            exchange.wake()
        case .end(let id, let trailers):
            responseEnded(on: id, trailers)
        case .failed(let id, let failure):
            guard let exchange = streams[id]?.exchange else { return }
            exchange.failed(
                TransportError.Kind(failure), "\(failure)",
                replay: failure.replay(responseStarted: false))
        case .closed(let id): streamClosed(id)
        case .bodyDrained(let id): bodyDrained(on: id)
        case .goAway(let last, let code, let debug): goAwayReceived(last, code, debug)
        case .settingsChanged(let maxStreams): keeper.capacityChanged(self, to: maxStreams)
        case .pingAcknowledged: liveness.pingAcknowledged()
        }
    }

    private func responseEnded(on id: HTTP2StreamID, _ trailers: HTTPFields?) {
        guard let stream = streams[id] else { return }
        stream.exchange.timers.stop(on: loop)
        if !hasSessions {
            // The tickets came behind the handshake, thus before the first response.
            hasSessions = true
            keeper.sessionsReceived(from: wire, on: self)
        }
        stream.exchange.responseEnded(trailers: trailers)
        stream.exchange.wake()
        // An answer that came before the upload was done ends the upload.
        stream.pump?.stop()
        streams[id]?.pump = nil
        let isSent = stream.pump == nil || stream.exchange.bytesOwed == 0
        if !isSent || session.queuedBytes(on: id) > 0 { reset(id) }
    }

    private func bodyDrained(on id: HTTP2StreamID) {
        guard let stream = streams[id] else { return }
        guard stream.pump == nil else { return pumpBody(of: id) }
        if case .segments = stream.exchange.request.body.content {
            stream.exchange.bodySent(Int(stream.exchange.request.body.length ?? 0))
            stream.exchange.timings.sent()
        }
    }

    private func goAwayReceived(_ last: HTTP2StreamID, _ code: UInt32, _ debug: String) {
        guard !isDraining else { return }
        isDraining = true
        keeper.draining(self, reason: .goAway)
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
    }

    /// RST_STREAM(CANCEL); the slot is free once the session says `.closed`.
    private func reset(_ id: HTTP2StreamID) {
        streams[id]?.pump?.stop()
        session.reset(id, code: 8)
        scheduleFlush()
    }

    private func peerEnded() {
        session.streamEnded()
        handleEvents()
        end(.peerClosed, .truncated, "the peer ended the connection")
    }

    private func sessionFailed(_ error: HTTP2Error) {
        handleEvents()
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        // The GOAWAY that says why is worth sending, whatever became of the rest.
        _ = try? session.nextOutput(into: &scratch.plaintext, limit: HTTP2LiveConnection.writeSize)
        if wire.isWritable, !scratch.plaintext.isEmpty {
            wire.send(unsafe scratch.plaintext.span.bytes)
        }
        end(.protocolViolation, TransportError.Kind(error), error.message)
    }

    /// Closes, and fails what is in flight; idempotent.
    private func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        guard wire.isOpen else { return }
        keeper.sessionsReceived(from: wire, on: self)
        wire.close()
        liveness.streamsClosed()
        let ended = streams
        streams = [:]
        keeper.closed(self, reason: reason)
        for stream in ended.values {
            stream.pump?.stop()
            stream.exchange.timers.stop(on: loop)
            stream.exchange.failed(kind, message)
        }
    }
}
