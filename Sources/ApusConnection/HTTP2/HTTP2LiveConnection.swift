package import ApusCore
package import ApusHTTP2
package import ApusSocket
package import ApusWire
import HTTPTypes

/// One HTTP/2 connection on its loop: many exchanges at once, each a stream of one session.
///
/// It has the wire and the session, and reports to the pool; `HTTP2Streams` has the exchanges.
/// Everything that a tick brings about leaves in one write at the tick's end.
package actor HTTP2LiveConnection: LiveConnection, WireOwner, Flushable {
    /// How long preface and SETTINGS wait for the request that the connection was dialled for,
    /// whose task may have to come from another thread; without one they leave then.
    static let openingPatience = Duration.milliseconds(20)
    /// What is gathered for one write.
    private static let writeSize = 64 * 1024
    /// Reads in a row before others on the loop have their turn.
    private static let maxReadsInRow = 1

    package nonisolated let id: ConnectionID
    package nonisolated let facts: ConnectionFacts
    package nonisolated let capacity: Int
    package nonisolated var isHTTP2: Bool { true }
    package nonisolated let creditStep: Int
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    let wire: Wire
    let keeper: any ConnectionKeeper
    private let session: HTTP2Session
    private let streams: HTTP2Streams
    @exclusivity(unchecked) private var state = HTTP2ConnectionState.open
    @exclusivity(unchecked) private var watch: HTTP2PeerWatch
    @exclusivity(unchecked) private var way: ConnectionWay
    @exclusivity(unchecked) private var alarm = LoopAlarm()
    @exclusivity(unchecked) private var isFlushScheduled = false
    /// What comes up during a flush is part of it.
    @exclusivity(unchecked) private var isFlushing = false
    /// Whether the pool knows that the peer asked for calm.
    @exclusivity(unchecked) private var isCalm = false
    /// What was wrong with the peer's bytes; acted on once the wire is not reading any more.
    @exclusivity(unchecked) private var inputError: HTTP2Error?

    package init(
        id: ConnectionID, wire: Wire, facts: ConnectionFacts, tuning: EngineTuning,
        way: ConnectionWay, budget: any WindowBudget, keeper: any ConnectionKeeper
    ) throws(HTTP2Error) {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
        // A hundred until the peer reports its limit: most allow that many (RFC 9113, section
        // 6.5.2).
        capacity = min(tuning.http2.maxStreamsPerConnection, 100)
        // The peer hears of half a window: an eighth that it has not heard of stops no stream.
        creditStep = tuning.http2.streamWindow / 8
        session = try HTTP2Session(tuning.http2, limits: tuning.limits, budget: budget)
        if tuning.http2.firstStream > 1 { session.skipStreamIDs(to: tuning.http2.firstStream) }
        streams = HTTP2Streams(session, tuning.http2, on: wire.loop)
        self.way = way
        watch = HTTP2PeerWatch(
            way.settings(tuning.http2), pingTime: way.pingTime, now: .now())
    }

    /// Takes over the wire; called once, on the loop, before the pool hears of the connection.
    package func attach() {
        wire.handOver(to: self)
        streams.attach(to: self)
        let deadline = Deadline.now().advanced(by: HTTP2LiveConnection.openingPatience)
        state = .opening(
            loop.schedule(at: deadline) { [self] in assumeIsolated { $0.open() } })
        setAlarm()
        // Readiness is reported once, and the dial may have got that report.
        if wire.mayHaveInput { wire.readLater() }
    }

    // MARK: Opening

    /// Lets preface and SETTINGS out, in one write with the first request if there is one.
    private func open() {
        switch state {
        case .opening(let timer):
            loop.cancel(timer)
            state = .open
        case .draining(let reason, isOpening: true): state = .draining(reason, isOpening: false)
        case .open, .draining, .ended: return
        }
        watch.settingsSent(now: .now(), hasPeerSettings: session.hasPeerSettings)
        setAlarm()
        scheduleFlush()
    }

    private var hasOpened: Bool {
        switch state {
        case .opening, .draining(_, isOpening: true): false
        case .open, .draining, .ended: true
        }
    }

    private var takesStreams: Bool {
        switch state {
        case .opening, .open: true
        case .draining, .ended: false
        }
    }

    // MARK: The peer's health

    private var output: HTTP2Liveness.Output { .init(of: wire, hasPing: session.isPingInFlight) }

    private func perform(_ action: HTTP2PeerWatch.Action?) {
        switch action {
        case nil: break
        case .ping:
            way.pings(on: wire)
            session.ping()
            scheduleFlush()
        case .suspect: keeper.suspected(self)
        case .trust: keeper.trusted(self)
        case .end(let cause):
            let message = watch.message(for: cause)
            streams.connectionEnds(.timeout, message)
            if cause == .noAcknowledgement, wire.isOpen {
                session.goAway(code: HTTP2ErrorCode.settingsTimeout)
                sendFarewell()
            }
            end(.timeout, .timeout, message)
        }
    }

    /// Has the watch asked when it wants to be, or before.
    private func setAlarm() {
        guard let next = watch.nextDeadline, wire.isOpen, !alarm.isSet(by: next) else { return }
        // Not weak, which would make each retain slower: it is cancelled when the connection ends.
        alarm.set(at: next, on: loop) { [self] in assumeIsolated { $0.alarmFired() } }
    }

    private func alarmFired() {
        alarm.hasFired()
        let actions = watch.deadlineReached(
            now: .now(), areSettingsAcknowledged: session.areSettingsAcknowledged,
            output: output, pending: wire.undeliveredCount)
        for action in actions { perform(action) }
        setAlarm()
    }

    // MARK: Exchanges

    private func begin(_ exchange: Exchange, isReused: Bool) {
        open()
        guard exchange.begin(on: self, isReused: isReused) else { return slotFreed() }
        // The limit may have been lowered since the lease: here the request would wait for as long
        // as those that run.
        guard takesStreams, session.hasRoom else {
            slotFreed()
            return streams.fail(exchange, .notSent)
        }
        exchange.startTimers(
            on: loop, output: { [streams, wire] in streams.output(of: $0, on: wire) },
            expire: { [self] exchange, wait in assumeIsolated { $0.expire(exchange, wait) } })
        streams.add(exchange)
    }

    private func expire(_ exchange: Exchange, _ wait: ExchangeWait) {
        guard var limit = exchange.request.limit(of: wait) else { return }
        limit.note(answer: watch.lastAnswer, now: .now())
        if streams.expire(exchange, limit) { askPeer() }
    }

    /// Asks the peer for a sign of life at once.
    func askPeer() {
        perform(watch.requestTimedOut(now: .now(), output: output))
        setAlarm()
    }

    // MARK: Sending

    /// Whether the next flush is neither due nor under way.
    private var mayScheduleFlush: Bool { !isFlushScheduled && !isFlushing }

    private func scheduleFlush() {
        guard mayScheduleFlush else { return }
        isFlushScheduled = true
        loop.scheduleFlush(self)
    }

    private func flushNow() {
        guard hasOpened else { return }
        let wasWritable = wire.isWritable
        let end = wire.sentCount + Wire.maxSentInRow
        isFlushing = true
        do throws(HTTP2Error) {
            var hasMore = true
            while hasMore, wire.isWritable, wire.sentCount < end {
                hasMore = try sendOutput()
                handleEvents()
            }
        } catch {
            sessionFailed(error)
        }
        isFlushing = false
        // What is left then is for the next turn, and no stream's end is given up before it.
        let isCut = session.wantsOutput && wire.isWritable
        if isCut { wire.writeLater() }
        // A full socket holds back what leaves, not the end of what was never to leave.
        if wire.isOpen, !wire.isWritable { handleEvents() }
        if streams.hasFinishing, !isCut, wire.isOpen, wire.isWritable {
            streams.giveUpUnfinished()
        }
        way.sent(on: wire)
        if wire.isOpen, !wire.isWritable || !watch.isOutputFlowing { watchOutput(wasWritable) }
        if wire.hasSendFailed { readInput(evenIfQuiet: true) }
    }

    private func watchOutput(_ wasWritable: Bool) {
        let unsent = wire.isWritable ? 0 : wire.undeliveredCount
        perform(watch.flushed(unsent: unsent, hasMoved: wasWritable, now: .now()))
        setAlarm()
    }

    /// Sends what the session has ready, up to one write's size; whether it has more.
    private func sendOutput() throws(HTTP2Error) -> Bool {
        let scratch = loop.scratch
        defer { scratch.outgoing.removeAll() }
        session.takenBytes = wire.sentCount
        let hasMore = try session.nextOutput(
            into: &scratch.outgoing, limit: HTTP2LiveConnection.writeSize)
        wire.send(scratch.outgoing)
        return hasMore
    }

    /// The GOAWAY that says why is worth sending, whatever became of the rest.
    private func sendFarewell() {
        if wire.isWritable { _ = try? sendOutput() }
    }

    // MARK: Receiving

    private func readInput(evenIfQuiet: Bool = false) {
        var reads = 0
        var isForced = evenIfQuiet
        while wire.mayHaveInput || isForced, wire.isOpen {
            isForced = false
            guard reads < HTTP2LiveConnection.maxReadsInRow else {
                return wire.readLater()
            }
            reads += 1
            do throws(WireError) {
                let outcome = try wire.read { bytes, _ in bytesReceived(bytes) }
                if let inputError { return sessionFailed(inputError) }
                switch outcome {
                case .progress: handleEvents()
                case .wouldBlock:
                    if let error = wire.sendError {
                        end(.transportError, error.explained.kind, error.explained.message)
                    }
                    return
                case .end:
                    return inputEnded(.peerClosed, .truncated, "the peer ended the connection")
                }
            } catch {
                let (kind, message) = error.explained
                return inputEnded(
                    kind == .truncated ? .peerClosed : .transportError, kind, message)
            }
        }
    }

    private func bytesReceived(_ bytes: RawSpan) {
        let now = Deadline.now()
        way.received(on: wire)
        let isAnswer = watch.isAnswerOwed
        perform(watch.bytesReceived(now: now))
        // The alarm is set for a doubt or the peer's death, which is too late for a new silence.
        if isAnswer { setAlarm() }
        session.timePassed(now: now)
        do throws(HTTP2Error) {
            try session.bytesReceived(bytes)
        } catch {
            inputError = error
        }
    }

    /// No more will be read.
    ///
    /// What came in the same read counts first: a GOAWAY is why the connection ends, and its pool
    /// hears of it while it still knows the connection.
    private func inputEnded(
        _ reason: CloseReason, _ kind: TransportError.Kind, _ message: String
    ) {
        handleEvents()
        end(session.isGoAwayReceived ? .goAway : reason, kind, message)
    }

    private func handleEvents() {
        streams.countSentBodies()
        // Before the caller of an answer that came with a GOAWAY sends the next request.
        if session.isGoAwayReceived { startDraining(.goAway) }
        perform(watch.cancelsCounted(areMany: session.hasManyUnconfirmedResets))
        while let event = session.nextEvent() { handle(event) }
        // A full socket reports when it takes more.
        if mayScheduleFlush, session.wantsOutput, wire.isWritable { scheduleFlush() }
        if case .draining(let reason, _) = state, streams.isEmpty {
            end(reason, .shutdown, "the connection was drained")
        }
    }

    private func handle(_ event: HTTP2Event) {
        guard !streams.handle(event) else { return }
        switch event {
        case .goAway(let last, let code, let debug):
            way.goAwayReceived(code: code, debug: debug)
            // Out of the pool before the streams that it ends hear of it, so that none comes back.
            streams.goAwayReceived(.init(last: last, code: code, debug: debug))
            startDraining(.goAway)
        case .settingsChanged(let maxStreams):
            keeper.capacityChanged(self, to: maxStreams)
            perform(watch.settingsReceived())
            streams.submitWaiting { takesStreams }
        case .pingAcknowledged: way.pingAcknowledged(after: watch.pingAcknowledged(now: .now()))
        // Any byte is a sign of life, and it was counted as one when it came.
        default: break
        }
    }

    // MARK: The end

    /// Takes no new streams; the connection goes with the last of those it has.
    private func startDraining(_ reason: CloseReason) {
        if session.isCalmDemanded, !isCalm {
            isCalm = true
            keeper.calmDemanded(self)
        }
        guard takesStreams else { return }
        let isOpening = !hasOpened
        if case .opening(let timer) = state { loop.cancel(timer) }
        state = .draining(reason, isOpening: isOpening)
        keeper.draining(self, reason: reason)
    }

    private func sessionFailed(_ error: HTTP2Error) {
        streams.connectionEnds(error)
        startDraining(.protocolViolation)
        guard wire.isOpen else { return }
        sendFarewell()
        end(.protocolViolation, TransportError.Kind(error), error.message)
    }

    /// Closes, and gives every exchange in flight its verdict; idempotent.
    ///
    /// The pool hears of it first, so that no exchange that is sent again comes back here.
    func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        guard wire.isOpen else { return }
        streams.connectionEnded(reason, kind, message)
        if case .opening(let timer) = state { loop.cancel(timer) }
        state = .ended
        wire.keepSessions()
        let taken = wire.sentCount
        wire.close()
        alarm.cancel(on: loop)
        keeper.closed(self, reason: reason)
        session.streamEnded(taken: taken)
        streams.countSentBodies()
        while let event = session.nextEvent() { handle(event) }
        streams.detach()
    }
}

// MARK: - From any thread

extension HTTP2LiveConnection {
    package nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.begin(exchange, isReused: isReused) }
    }

    package nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        onLoop(loop) { $0.streams.cancel(exchange) }
    }

    package nonisolated func consumed(_ count: Int, by exchange: Exchange) {
        onLoop(loop) { connection in
            if let stream = exchange.stream { connection.credit(count, to: stream) }
        }
    }

    package nonisolated func uploadReady(_ exchange: Exchange) {
        onLoop(loop) { $0.streams.uploadReady(exchange) }
    }

    package nonisolated func close(_ reason: CloseReason) {
        onLoop(loop) { connection in
            // A request that goes out now is cut at once, and may have been acted on.
            connection.session.endUnsent(beyond: 0)
            connection.session.shutDown()
            connection.open()
            connection.flushNow()
            connection.end(reason, .shutdown, "the connection was closed: \(reason)")
        }
    }

    nonisolated func sendDuplex(_ bytes: Bytes, isEnd: Bool, on id: HTTP2StreamID) {
        onLoop(loop) { connection in
            guard connection.wire.isOpen else { return }
            connection.session.send(bytes, endOfBody: isEnd, on: id)
            connection.scheduleFlush()
        }
    }

    nonisolated func duplexTook(_ count: Int, from id: HTTP2StreamID) {
        onLoop(loop) { $0.credit(count, to: id) }
    }

    nonisolated func closeDuplex(_ id: HTTP2StreamID) {
        onLoop(loop) { connection in
            // What was written before our own end goes out first, as far as windows allow.
            if connection.streams.hasFinished(id), !connection.isFlushing { connection.flushNow() }
            connection.streams.closeDuplex(id)
        }
    }

    /// The peer may send so much more.
    private func credit(_ count: Int, to stream: HTTP2StreamID) {
        guard wire.isOpen else { return }
        session.consumed(count, on: stream)
        if mayScheduleFlush, session.wantsOutput { scheduleFlush() }
    }
}

// MARK: - On the loop

extension HTTP2LiveConnection {
    package nonisolated func wireReadable() { assumeIsolated { $0.readInput() } }
    package nonisolated func wireWritable() { assumeIsolated { $0.flushNow() } }

    package nonisolated func flush() {
        assumeIsolated { connection in
            connection.isFlushScheduled = false
            connection.flushNow()
        }
    }

    // What the streams report.

    /// The session may have something to send.
    nonisolated func outputIsDue() {
        assumeIsolated { connection in
            if let failure = connection.session.failure { return connection.sessionFailed(failure) }
            connection.scheduleFlush()
        }
    }

    /// How an exchange ends now, while the wire is open; `nil` is by what the wire ended with.
    nonisolated func connectionEnd(
        _ sign: ConnectionEnd.Sign?, of exchange: Exchange, goAway: Deadline?
    ) -> ConnectionEnd {
        assumeIsolated { connection in
            var end = ConnectionEnd(
                sign, on: connection.wire, over: exchange.request.route, connection.facts)
            end.add(connection.session, goAway: goAway, answer: connection.watch.lastAnswer)
            connection.way.explain(&end)
            return end
        }
    }

    /// The connection has ended in this way for those that it carried.
    nonisolated func ended(_ end: inout ConnectionEnd?) {
        assumeIsolated { $0.way.ended(&end) }
    }

    /// The first stream was opened, or the last one closed.
    nonisolated func streamsChanged(hasStreams: Bool) {
        assumeIsolated { connection in
            if hasStreams {
                connection.perform(
                    connection.watch.streamsOpened(now: .now(), output: connection.output))
            } else {
                // An idle connection may be asked sooner.
                connection.watch.streamsClosed()
            }
            connection.setAlarm()
        }
    }

    /// The first answer is complete: the tickets came after the handshake, thus before it.
    nonisolated func firstAnswerEnded() {
        assumeIsolated { $0.wire.keepSessions() }
    }

    /// The connection should take no more exchanges.
    nonisolated func drain(_ reason: CloseReason) {
        assumeIsolated { $0.startDraining(reason) }
    }
}
