package import ApusCore
package import ApusHTTP2
package import ApusSocket
package import ApusWire
import HTTPTypes

/// One HTTP/2 connection on its loop: many exchanges at once, each a stream of one session.
///
/// Everything that a tick brings about leaves in one write at the tick's end.
package actor HTTP2LiveConnection: LiveConnection, WireOwner, Flushable {
    /// One stream and what it still needs.
    struct Stream {
        let exchange: Exchange
        /// Whether the peer had said how many streams it takes: a refusal then means it.
        let isWithinLimit: Bool
        var pump: UploadPump?
        /// Bytes of the body taken from the pump.
        var pumped: UInt64 = 0
        /// What the stream has become, when it has left HTTP.
        var duplex: HTTP2Duplex?
    }

    /// What the peer's GOAWAY said.
    struct GoAway {
        let last: HTTP2StreamID
        let code: UInt32
        let debug: String

        /// The error of a stream that it ended; the code may be a better-known one than its own.
        func kind(code: UInt32? = nil) -> TransportError.Kind {
            .h2GoAway(code: code ?? self.code, lastStreamID: last, debug: debug)
        }
    }

    /// Why the peer should get no new streams: all must pass before it is trusted again.
    enum Doubt {
        /// A PING is unanswered.
        case silence
        /// It takes nothing of what is sent.
        case stall
        /// It may not have met yet that so many streams were cancelled.
        case cancels
        /// Its SETTINGS have not come, with which it should have begun.
        case settings
    }

    /// How long preface and SETTINGS wait for the request that the connection was dialled for,
    /// whose task may have to come from another thread; without one they leave then.
    static let openingPatience = Duration.milliseconds(20)
    /// What is gathered for one write.
    static let writeSize = 64 * 1024
    /// Reads in a row before others on the loop have their turn.
    static let maxReadsInRow = 1
    /// Streams refused in a row, none answered between, before the connection takes no more.
    static let maxRefusalsInRow = 2

    package nonisolated let id: ConnectionID
    package nonisolated let facts: ConnectionFacts
    package nonisolated let capacity: Int
    package nonisolated var isHTTP2: Bool { true }
    package nonisolated var creditsConsumption: Bool { true }
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    let wire: Wire
    let keeper: any ConnectionKeeper
    let session: HTTP2Session
    let liveness: HTTP2Liveness
    let outputWatch: HTTP2OutputWatch
    private let tuning: EngineTuning.HTTP2
    /// Runs until our SETTINGS are acknowledged, or longer by a little.
    var settingsTimer: LoopTimer?
    /// Ends the patience with a peer that does not say its own.
    var peerSettingsTimer: LoopTimer?
    /// Extended CONNECTs that wait for the peer's SETTINGS; no more than there are leases.
    var waiting: [Exchange] = []
    private var doubts: Set<Doubt> = []
    /// Every stream that is not closed on both sides; those whose exchange has ended keep their
    /// slot.
    var streams: [HTTP2StreamID: Stream] = [:]
    var isFlushScheduled = false
    /// Streams whose answer is complete while the last of their bodies is about to leave.
    var finishing: Set<HTTP2StreamID> = []
    /// What comes up during a flush is part of it.
    private var isFlushing = false
    /// Whether preface and SETTINGS may leave: with the first request, or without one.
    private var hasOpened = false
    /// Ends the wait for that request.
    private var openingTimer: LoopTimer?
    /// Why no more streams are taken; `nil` while they are.
    var drainReason: CloseReason?
    var goAway: GoAway?
    /// Whether the pool knows that the peer asked for calm.
    var isCalm = false
    /// What ended the connection, for the streams that end with it.
    var ending: (kind: TransportError.Kind, message: String)?
    /// The peer's system acknowledges nothing any more.
    var isLost = false
    /// What was wrong with the peer's bytes; acted on once the wire is not reading any more.
    var inputError: HTTP2Error?
    var refusalsInRow = 0
    var hasSessions = false

    package init(
        id: ConnectionID, wire: Wire, facts: ConnectionFacts, tuning: EngineTuning,
        budget: any WindowBudget, keeper: any ConnectionKeeper
    ) throws(HTTP2Error) {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
        // A hundred until the peer says otherwise: most allow that many (RFC 9113, section 6.5.2).
        capacity = min(tuning.http2.maxStreamsPerConnection, 100)
        session = try HTTP2Session(tuning.http2, limits: tuning.limits, budget: budget)
        if tuning.http2.firstStream > 1 { session.skipStreamIDs(to: tuning.http2.firstStream) }
        liveness = HTTP2Liveness(tuning.http2, on: wire.loop)
        outputWatch = HTTP2OutputWatch(tuning.http2, on: wire.loop)
        self.tuning = tuning.http2
    }

    /// Takes over the wire; called once, on the loop, before the pool hears of the connection.
    package func attach() {
        wire.owner = self
        liveness.output = { [weak self] in
            self?.assumeIsolated { $0.output } ?? HTTP2Liveness.Output()
        }
        liveness.ping = { [weak self] in
            self?.assumeIsolated { connection in
                connection.session.ping()
                connection.scheduleFlush()
            }
        }
        liveness.suspected = { [weak self] in
            self?.assumeIsolated { $0.doubt(.silence) }
        }
        liveness.trusted = { [weak self] in
            self?.assumeIsolated { $0.trust(.silence) }
        }
        liveness.died = { [weak self] in
            self?.assumeIsolated { $0.end(.timeout, .timeout, "no answer to a PING") }
        }
        outputWatch.pending = { [weak self] in
            self?.assumeIsolated { $0.undeliveredCount } ?? 0
        }
        outputWatch.stalled = { [weak self] in
            self?.assumeIsolated { $0.doubt(.stall) }
        }
        outputWatch.moved = { [weak self] in
            self?.assumeIsolated { $0.trust(.stall) }
        }
        outputWatch.died = { [weak self] in
            self?.assumeIsolated {
                $0.end(.timeout, .timeout, "the peer takes nothing of what is sent")
            }
        }
        liveness.connectionOpened()
        let deadline = Deadline.now().advanced(by: HTTP2LiveConnection.openingPatience)
        openingTimer = loop.schedule(at: deadline) { [weak self] in
            self?.assumeIsolated { $0.open() }
        }
        // Readiness is reported once, and the dial may have got that report.
        if wire.mayHaveInput { wire.readLater() }
    }

    private func awaitSettings() {
        let now = Deadline.now()
        if !session.hasPeerSettings {
            // It is better to dial than to wait for the peer's limit.
            peerSettingsTimer = loop.schedule(at: now.advanced(by: tuning.suspectAfter)) {
                [weak self] in
                self?.assumeIsolated { connection in
                    connection.peerSettingsTimer = nil
                    if connection.wire.isOpen { connection.doubt(.settings) }
                }
            }
        }
        guard let timeout = tuning.settingsTimeout else { return }
        settingsTimer = loop.schedule(at: now.advanced(by: timeout)) { [weak self] in
            self?.assumeIsolated { $0.acknowledgementIsDue() }
        }
    }

    /// The peer's limit is known from now on.
    func settingsChanged(_ maxStreams: Int) {
        if let peerSettingsTimer { loop.cancel(peerSettingsTimer) }
        peerSettingsTimer = nil
        keeper.capacityChanged(self, to: maxStreams)
        trust(.settings)
        sendWaiting()
    }

    /// RFC 9113, section 6.5.3.
    private func acknowledgementIsDue() {
        settingsTimer = nil
        guard !session.areSettingsAcknowledged, wire.isOpen else { return }
        ending = (.timeout, "the peer has not acknowledged our SETTINGS")
        session.goAway(code: HTTP2ErrorCode.settingsTimeout)
        sendFarewell()
        end(.timeout, .timeout, "the peer has not acknowledged our SETTINGS")
    }

    /// Bytes that have left the session and that the peer's system has not taken.
    private var undeliveredCount: Int { wire.unsentCount + wire.unacknowledgedCount }

    private var output: HTTP2Liveness.Output {
        let underWay = UInt64(wire.unacknowledgedCount)
        return HTTP2Liveness.Output(
            taken: wire.sentCount - min(wire.sentCount, underWay),
            isPending: underWay > 0 || wire.unsentCount > 0)
    }

    private func doubt(_ doubt: Doubt) {
        guard doubts.insert(doubt).inserted, doubts.count == 1 else { return }
        keeper.suspected(self)
    }

    private func trust(_ doubt: Doubt) {
        guard doubts.remove(doubt) != nil, doubts.isEmpty else { return }
        keeper.trusted(self)
    }

    /// Opens no streams where those that were cancelled may still be under way to the peer.
    func judgeCancels() {
        if session.hasManyUnconfirmedResets {
            doubt(.cancels)
        } else if !doubts.isEmpty {
            trust(.cancels)
        }
    }

    // MARK: From any thread

    package nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.begin(exchange, isReused: isReused) }
    }

    package nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        onLoop(loop) { $0.give(up: exchange) }
    }

    package nonisolated func consumed(_ count: Int, by exchange: Exchange) {
        onLoop(loop) { connection in
            guard let stream = exchange.stream, connection.wire.isOpen else { return }
            connection.session.consumed(count, on: stream)
            if connection.session.wantsOutput { connection.scheduleFlush() }
        }
    }

    package nonisolated func uploadReady(_ exchange: Exchange) {
        onLoop(loop) { connection in
            if let stream = exchange.stream { connection.pumpBody(of: stream) }
        }
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

    package nonisolated func wireReadable() {
        assumeIsolated { $0.readInput() }
    }

    package nonisolated func wireWritable() {
        assumeIsolated { $0.flushNow() }
    }

    package nonisolated func flush() {
        assumeIsolated { connection in
            connection.isFlushScheduled = false
            connection.flushNow()
        }
    }

    // MARK: Sending

    /// Lets preface and SETTINGS out, in one write with the first request if there is one.
    private func open() {
        guard !hasOpened, wire.isOpen else { return }
        hasOpened = true
        if let openingTimer { loop.cancel(openingTimer) }
        openingTimer = nil
        awaitSettings()
        scheduleFlush()
    }

    func begin(_ exchange: Exchange, isReused: Bool) {
        open()
        guard exchange.begin(on: self, isReused: isReused) else { return keeper.released(self) }
        // The limit may have been lowered since the lease: here the request would wait for as long
        // as those that run.
        guard wire.isOpen, drainReason == nil, session.hasRoom else {
            keeper.released(self)
            return fail(exchange, .notSent)
        }
        if exchange.request.hasTimeouts { startTimers(of: exchange) }
        if mustWait(exchange) { return waiting.append(exchange) }
        submit(exchange)
    }

    func submit(_ exchange: Exchange) {
        let request = exchange.request
        let stream: HTTP2StreamID
        do throws(HTTP2Error) {
            let isDuplex = request.isExtendedConnect
            stream = try session.submit(
                request.head, hasBody: isDuplex || !request.body.isEmpty,
                length: isDuplex ? nil : request.body.length)
        } catch {
            if session.isDraining { drain(.exhausted) }
            exchange.timers.stop(on: loop)
            exchange.failed(
                TransportError.Kind(error), phase: .request, error.message, replay: .notSent)
            return keeper.released(self)
        }
        exchange.stream = stream
        exchange.requestStarted()
        streams[stream] = Stream(exchange: exchange, isWithinLimit: session.hasPeerSettings)
        if streams.count == 1 { liveness.streamsOpened() }
        sendBody(of: exchange, on: stream)
        // The last stream number was used.
        if session.isDraining { drain(.exhausted) }
        scheduleFlush()
    }

    func scheduleFlush() {
        guard !isFlushScheduled, !isFlushing else { return }
        isFlushScheduled = true
        loop.scheduleFlush(self)
    }

    func flushNow() {
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
        if !finishing.isEmpty, !isCut { giveUpUnfinished() }
        if wire.isOpen {
            outputWatch.flushed(
                unsent: wire.isWritable ? 0 : undeliveredCount, hasMoved: wasWritable)
        }
        if wire.sendError != nil { readInput(evenIfQuiet: true) }
    }

    /// Sends what the session has ready, up to one write's size; whether it has more.
    func sendOutput() throws(HTTP2Error) -> Bool {
        let scratch = loop.scratch
        defer { scratch.outgoing.removeAll() }
        session.takenBytes = wire.sentCount
        let hasMore = try session.nextOutput(
            into: &scratch.outgoing, limit: HTTP2LiveConnection.writeSize)
        wire.send(scratch.outgoing)
        return hasMore
    }
}
