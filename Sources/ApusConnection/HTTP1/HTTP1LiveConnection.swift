package import ApusCore
import ApusHTTP1
package import ApusSocket
package import ApusWire
import HTTPTypes

/// One HTTP/1.1 connection on its loop: one exchange at a time, and a watch over its idle time.
package actor HTTP1LiveConnection: LiveConnection, WireOwner {
    /// Reads in a row before others on the loop have their turn.
    private static let maxReadsInRow = 1
    /// Reads of what has come between two requests (mostly nothing), and when an upload fails.
    private static let maxReadsInPassing = 4
    /// How long an unwanted body is read.
    private static let drainTime = Duration.milliseconds(50)

    package nonisolated let id: ConnectionID
    package nonisolated let facts: ConnectionFacts
    package nonisolated var isHTTP2: Bool { false }
    package nonisolated var creditStep: Int { .max }
    package nonisolated var capacity: Int { 1 }
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    let wire: Wire
    private let keeper: any ConnectionKeeper
    private let tuning: EngineTuning.HTTP1
    private let upload: HTTP1Upload
    private let recent: HTTP1RecentFields
    @exclusivity(unchecked) private var way: ConnectionWay
    @exclusivity(unchecked) private var machine: HTTP1Session
    @exclusivity(unchecked) private var work = HTTP1Work.none
    @exclusivity(unchecked) private var firstWords = HTTP1FirstWords()
    /// What the wire had sent when the present request began.
    @exclusivity(unchecked) private var sentBefore: UInt64 = 0
    /// What the system lacked when the connection was read between two requests.
    @exclusivity(unchecked) private var shortage: (kind: TransportError.Kind, message: String)?
    /// Bytes that have come since the present request began, heads and framing included.
    @exclusivity(unchecked) private var answerBytes = 0
    /// The peer has refused the request, whose answer is read to the end all the same.
    @exclusivity(unchecked) private var isRefused = false
    @exclusivity(unchecked) private var endWatch = HTTP1EndWatch()
    /// The consumer has enough for now, so nothing is read.
    @exclusivity(unchecked) private var isPaused = false

    package init(
        id: ConnectionID, wire: Wire, facts: ConnectionFacts, tuning: EngineTuning,
        recent: HTTP1RecentFields, way: ConnectionWay, keeper: any ConnectionKeeper
    ) {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
        self.recent = recent
        self.way = way
        self.tuning = tuning.http1
        upload = HTTP1Upload(over: wire)
        machine = HTTP1Session(limits: tuning.limits, lenience: tuning.http1.lenience)
    }

    /// Takes over the wire; called once, on the loop, before the pool hears of the connection.
    package func attach() {
        wire.handOver(to: self)
        upload.attach(to: self)
        // Readiness is reported once, and the dial may have got that report.
        if wire.mayHaveInput { wire.readLater() }
    }

    var exchange: Exchange? {
        if case .exchange(let exchange) = work { exchange } else { nil }
    }

    // MARK: Requests

    func begin(_ exchange: Exchange, isReused: Bool) {
        // What came since the last answer is no answer to this request.
        wire.lookBeforeReuse()
        readInPassing()
        if wire.isOpen, let (words, hasEnded) = firstWords.requestBegins() {
            return answer(exchange, by: words, hasEnded: hasEnded)
        }
        guard wire.isOpen else {
            let (kind, message) =
                shortage ?? (.reset, "the connection had closed before the request left")
            return exchange.failed(kind, phase: .send, message, replay: .notSent)
        }
        precondition(self.exchange == nil, "two exchanges at once on an HTTP/1.1 connection")
        guard exchange.begin(on: self, isReused: isReused) else { return giveBack() }
        work = .exchange(exchange)
        let request = exchange.request
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        do throws(InvalidRequest) {
            try request.appendHTTP1Head(exchange.amendments, to: &scratch.plaintext)
        } catch {
            work = .none
            exchange.failed(.invalidRequest(error), phase: .request, "\(error)")
            return giveBack()
        }
        guard exchange.requestStarted() else {
            work = .none
            return giveBack()
        }
        machine.requestStarted(
            method: request.head.method, expectsClose: request.connectionOption == .close,
            upgrade: request.upgrade)
        isRefused = false
        answerBytes = 0
        sentBefore = wire.sentCount
        startTimers(of: exchange)
        if request.expectsContinue, !exchange.amendments.omitsExpectation {
            upload.hold(exchange, for: tuning.continueTimeout)
            scratch.plaintext.withSpan { wire.send($0) }
        } else if scratch.plaintext.withSpan({ upload.begin(exchange, after: $0) }) {
            machine.requestFinished()
        }
        sendBody(since: sentBefore)
    }

    /// Reads what came before an exchange's request as its answer, which only a refusal can be.
    ///
    /// The request is not sent: it is refused already, or the peer speaks another protocol.
    private func answer(_ exchange: Exchange, by words: [UInt8], hasEnded: Bool) {
        guard exchange.begin(on: self, isReused: false) else {
            return end(.unsolicitedBytes, .malformed, "the peer spoke first")
        }
        work = .exchange(exchange)
        machine.requestStarted(
            method: exchange.request.head.method, expectsClose: true, upgrade: nil)
        sentBefore = wire.sentCount
        startTimers(of: exchange)
        isPaused = false
        unsafe bytesReceived(words.span.bytes, in: nil)
        if self.exchange === exchange { hasEnded ? peerEnded() : readInput() }
        guard firstWords.areHeard else { return }
        let deadline = Deadline.now().advanced(by: HTTP1FirstWords.patience)
        _ = loop.schedule(at: deadline) { [weak self] in
            self?.assumeIsolated { connection in
                _ = connection.failByFirstWords { $0.fault("its words are not a whole answer") }
            }
        }
    }

    /// The peer wants the body, or had time to refuse it (RFC 9110, section 10.1.1).
    func releaseBody(of exchange: Exchange) {
        if self.exchange === exchange, upload.release(exchange) { sendBody() }
    }

    /// - Parameter start: what the wire had sent when the turn began, if that is not now.
    func sendBody(since start: UInt64? = nil) {
        guard let exchange, endWatch.ending == nil else { return }
        let progress = upload.advance(exchange, since: start ?? wire.sentCount)
        way.sent(on: wire)
        if upload.hasSentLength { machine.requestFinished() }
        switch progress {
        case .waits: break
        case .isCut: return wire.writeLater()
        case .isWhole: machine.requestFinished()
        case .failed(let kind, let message): failUpload(of: exchange, kind, message)
        }
        if wire.hasSendFailed { sendingFailed() }
    }

    /// The request cannot be whole any more, which hides no answer that has come all the same.
    private func failUpload(
        of exchange: Exchange, _ kind: TransportError.Kind, _ message: String
    ) {
        upload.stop(exchange)
        wire.lookForInput()
        readInPassing()
        guard self.exchange === exchange, !isRefused else { return }
        end(.requestUnfinished, kind, message)
    }

    /// A parsed response beats a broken pipe: what the peer had said is read to its end, which ends
    /// the connection (`readInput`).
    ///
    /// But where nothing of the request had left, what the peer had said was no answer to it.
    private func sendingFailed() {
        upload.stop(exchange)
        guard nothingHasLeft, let error = wire.sendError else { return readInput() }
        end(.transportError, error.explained.kind, error.explained.message)
    }

    /// Whether the socket has taken no byte of the present request.
    private var nothingHasLeft: Bool { wire.sentCount == sentBefore }

    // MARK: Reading

    /// Reads while there is something to read and a consumer takes it.
    func readInput() {
        if hasMoreInput(after: HTTP1LiveConnection.maxReadsInRow) { wire.readLater() }
    }

    /// Reads what has come since the tick began, as a look has found.
    private func readInPassing() { _ = hasMoreInput(after: HTTP1LiveConnection.maxReadsInPassing) }

    /// Reads so many times at most; whether there may be more.
    private func hasMoreInput(after limit: Int) -> Bool {
        if let ending = endWatch.ending {
            end(ending)
            return false
        }
        var reads = 0
        // After sending has failed nothing more can come, so all that came is read, ready or not.
        while wire.mayHaveInput || wire.hasSendFailed, !isPaused, wire.isOpen {
            guard reads < limit else { return true }
            reads += 1
            do throws(WireError) {
                switch try wire.read({ bytesReceived($0, in: $1) }) {
                case .progress: continue
                case .wouldBlock:
                    guard let error = wire.sendError else { return false }
                    end(.transportError, error.explained.kind, error.explained.message)
                case .end: peerEnded()
                }
            } catch {
                wireFailed(error)
            }
            return false
        }
        return false
    }

    private func bytesReceived(_ bytes: RawSpan, in memory: Bytes?) {
        let exchange = exchange
        if exchange == nil, firstWords.keep(bytes) {
            isPaused = true
            return
        }
        var offset = 0
        answerBytes += bytes.byteCount
        way.received(on: wire)
        let now = Deadline.now()
        // Once, at the end: by then the connection may be free for the caller's next request.
        defer { exchange?.wake() }
        do throws(HTTP1Error) {
            while wire.isOpen,
                let event = try recent.nextEvent(of: &machine, in: bytes, offset: &offset)
            { handle(event, in: bytes, memory, now) }
        } catch {
            if failByFirstWords({ $0.fault(error.message) }) { return }
            switch work {
            case .none, .duplex: return end(.unsolicitedBytes, .malformed, error.message)
            case .exchange, .drain:
                end(
                    .protocolViolation, TransportError.Kind(error),
                    error.explained(after: answerBytes))
            }
        }
        // The duplex first reads what follows the head that ended HTTP here.
        if case .duplex = work, offset < bytes.byteCount {
            wire.putBack(bytes.extracting(droppingFirst: offset))
        }
    }

    // MARK: Responses

    private func handle(
        _ event: HTTP1Event, in bytes: RawSpan, _ memory: Bytes?, _ now: Deadline
    ) {
        if failByFirstWords({ $0.fault(of: event) }) { return }
        switch event {
        case .informational(let response): informationalReceived(response)
        case .head(let response, _): headReceived(response, now)
        case .body(let range):
            if case .drain(let bytesLeft, let timer) = work {
                work = .drain(bytesLeft: bytesLeft - range.count, timer)
                if bytesLeft < range.count { end(.responseUnfinished, .cancelled, "dropped") }
                return
            }
            guard let exchange else { return isPaused = false }
            isPaused = !exchange.bodyReceived(Bytes(range, of: bytes, in: memory), at: now)
        case .end(let trailers): responseEnded(trailers, now)
        case .upgraded(let response): upgraded(response)
        }
    }

    private func informationalReceived(_ response: HTTPResponse) {
        exchange?.informationalReceived(response)
        guard response.status.code == 100, let exchange, upload.isHeld else { return }
        // Not at once: this runs within a read, which TLS does not let a write interrupt.
        loop.execute { self.assumeIsolated { $0.releaseBody(of: exchange) } }
    }

    /// A refusal makes the rest of the upload pointless, and a final answer instead of a 100 means
    /// that the body is not wanted (RFC 9110, section 10.1.1).
    private func headReceived(_ response: HTTPResponse, _ now: Deadline) {
        isRefused = response.status.code >= 400
        if isRefused || upload.isHeld { upload.stop(exchange) }
        exchange?.headReceived(response, at: now)
    }

    /// HTTP ends here: the wire goes over to a raw duplex, which lives on in this one's place.
    private func upgraded(_ response: HTTPResponse) {
        guard let exchange else { return end(.responseUnfinished, .cancelled, "dropped") }
        exchange.timers.stop(on: loop)
        wire.keepSessions()
        isPaused = true
        let duplex = WireDuplex(wire, at: exchange.place) { [self] reason in
            keeper.closed(self, reason: reason)
        }
        work = .duplex(duplex)
        duplex.assumeIsolated { $0.attach() }
        if !exchange.upgraded(response, to: duplex) { duplex.close() }
    }

    private func responseEnded(_ trailers: HTTPFields?, _ now: Deadline) {
        upload.stop(exchange)
        isPaused = false
        wire.keepSessions()
        // An answer before the whole request had left: what the peer makes of the rest is unknown.
        let isEarly = wire.unsentCount > 0 || wire.hasSendFailed
        let reason = machine.closeReason ?? (isEarly ? .requestUnfinished : nil)
        switch work {
        case .none, .duplex: return
        case .drain(_, let timer):
            loop.cancel(timer)
            work = .none
            free(reason, now)
        case .exchange(let exchange):
            work = .none
            exchange.timers.stop(on: loop)
            free(reason ?? (exchange.request.closesConnection ? .notPooled : nil), now)
            exchange.responseEnded(trailers: trailers, at: now)
        }
    }

    private func giveBack() { keeper.released(self, at: .now()) }

    /// Back to the pool, or closed when there is a reason to.
    private func free(_ reason: CloseReason?, _ now: Deadline) {
        if let reason {
            wire.close()
            return keeper.closed(self, reason: reason)
        }
        if let timeout = machine.keepAliveHint.timeout {
            keeper.idleTimeHinted(self, timeout - min(tuning.keepAliveMargin, timeout / 4))
        }
        keeper.released(self, at: now)
    }

    // MARK: Consumers that are slow, late or gone

    func resumeReading(for exchange: Exchange) {
        guard self.exchange === exchange, isPaused else { return }
        isPaused = false
        // Not at once: a consumer on this loop would then never have to wait for a piece, and would
        // keep all others from the loop.
        wire.readLater()
    }

    /// No request is on its way here: what has come before the first one answers no request.
    func refuseFirstWords() {
        if let fault = firstWords.refuse() { end(.unsolicitedBytes, .malformed, fault) }
    }

    /// No caller waits for the exchange any more.
    ///
    /// A dropped body may be short, so it is read on without a reader, to keep the connection; a
    /// cancelled request may be answered at any time.
    func give(up exchange: Exchange, _ reason: CloseReason) {
        guard self.exchange === exchange else { return }
        let (request, bytes) = (exchange.request, exchange.request.limits.drainBytes)
        let isWorthDraining =
            reason == .responseUnfinished && !request.closesConnection && bytes > 0
            && upload.isOver && !machine.isIdle
        guard isWorthDraining else { return end(reason, .cancelled, "cancelled") }
        exchange.timers.stop(on: loop)
        let end = Deadline.now().advanced(by: HTTP1LiveConnection.drainTime)
        let timer = loop.schedule(at: end) { [weak self] in
            self?.assumeIsolated { $0.end(.responseUnfinished, .cancelled, "dropped") }
        }
        work = .drain(bytesLeft: bytes, timer)
        isPaused = false
        readInput()
    }

    private func startTimers(of exchange: Exchange) {
        exchange.startTimers(
            on: loop, output: { [wire] _ in ExchangeOutput(of: wire) },
            expire: { [self] exchange, wait in assumeIsolated { $0.expire(exchange, wait) } })
    }

    private func expire(_ exchange: Exchange, _ wait: ExchangeWait) {
        guard self.exchange === exchange else { return }
        if machine.responseStarted { exchange.responseStarted() }
        // No head can be expected of a peer that does not take the request.
        let phase = wait == .head && upload.isSending ? .send : wait.phase
        if let limit = exchange.request.limit(of: wait) {
            exchange.failed(limit, phase: phase, exchange.end(.engine, on: wire, facts))
        }
        end(.timeout, .timeout, "timeout")
    }

    // MARK: The end

    /// The peer ended its side, which is the end of a body that has no other.
    private func peerEnded() {
        if firstWords.keepEnd() { return }
        if failByFirstWords({ $0.fault("it ended within its words") }) { return }
        // Once sending has met a reset the kernel reports an end of stream, which proves nothing: a
        // body that lasts until then may be cut short.
        if let error = wire.sendError, !machine.isIdle {
            return end(.transportError, error.explained.kind, error.explained.message)
        }
        do throws(HTTP1Error) {
            let exchange = exchange
            if case .end(let trailers) = try machine.streamEnded() {
                responseEnded(trailers, .now())
                exchange?.wake()
            }
            end(.peerClosed, .truncated, "the connection ended")
        } catch {
            end(.peerClosed, TransportError.Kind(error), error.explained(after: answerBytes))
        }
    }

    private func wireFailed(_ error: WireError) {
        let (kind, message) = error.explained
        if failByFirstWords({ $0.fault(message) }) { return }
        if exchange == nil, case .resource = kind { shortage = (kind, message) }
        end(kind == .truncated ? .peerClosed : .transportError, kind, message)
    }

    /// Fails the exchange whose peer spoke first, if there is a fault; whether there was.
    ///
    /// It is not sent again: another connection would hear the same.
    private func failByFirstWords(_ judge: (inout HTTP1FirstWords) -> String?) -> Bool {
        guard firstWords.areHeard, let exchange, let message = judge(&firstWords) else {
            return false
        }
        work = .none
        exchange.timers.stop(on: loop)
        end(.unsolicitedBytes, .malformed, message)
        exchange.failed(.malformed, phase: .send, message, replay: .notSent)
        return true
    }

    /// Closes on the engine's behalf, a duplex as well.
    func close(by reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        if case .duplex(let duplex) = work { return duplex.close(reason, kind) }
        end(reason, kind, message)
    }

    private func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        end(HTTP1Ending(reason: reason, kind: kind, message: message))
    }

    /// Closes, and fails what is in flight; idempotent.
    private func end(_ ending: HTTP1Ending) {
        guard wire.isOpen else { return }
        upload.stop(exchange)
        let exchange = exchange
        let arrival = exchange.flatMap(arrival(of:))
        let verdict = verdict(on: ending, arrival)
        guard verdict != .undecided else { return }
        endWatch.cancel(on: loop)
        if case .drain(_, let timer) = work { loop.cancel(timer) }
        wire.keepSessions()
        var lastState = exchange?.end(ending.isLost ? .silence : ending.sign, on: wire, facts)
        lastState?.add(arrival)
        way.ended(&lastState)
        wire.close()
        work = .none
        exchange?.timers.stop(on: loop)
        // The peer had given the connection up before this request reached it.
        let isStale =
            ending.isRemote && !machine.responseStarted && exchange?.isOnReusedConnection == true
        keeper.closed(self, reason: isStale ? .staleReuse : ending.reason)
        guard let exchange else { return }
        if machine.responseStarted { exchange.responseStarted() }
        if ending.isLost { exchange.connectionLost() }
        exchange.failed(
            ending.kind, phase: ending.isLost && exchange.isAwaitingHead ? .send : nil,
            ending.message,
            replay: nothingHasLeft ? .notSent : verdict == .notReceived ? .notReceived : nil,
            lastState)
    }

    /// What TCP shows of the request, if the peer has ended the connection under it.
    private func verdict(
        on ending: HTTP1Ending, _ arrival: RequestArrival?
    ) -> RequestArrival.Verdict {
        guard tuning.detectsNonArrival, ending.isRemote, !machine.responseStarted, let arrival
        else { return .unknown }
        return endWatch.verdict(on: ending, arrival, loop: loop) { [weak self] in
            self?.assumeIsolated { $0.readInput() }
        }
    }

    private func arrival(of exchange: Exchange) -> RequestArrival? {
        let route = exchange.request.route
        return wire.arrival(
            since: sentBefore, isRelayed: !route.proxies.isEmpty && !route.isForwarded)
    }
}
