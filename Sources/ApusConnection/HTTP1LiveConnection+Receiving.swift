import ApusCore
import ApusHTTP1
import ApusSocket
import ApusWire
import HTTPTypes

/// Reads in a row before others on the loop have their turn.
private let maxReadsInRow = 1
/// Reads of what a connection has to say between two requests (tickets, mostly nothing), and when
/// an upload fails.
private let maxReadsInPassing = 4
/// How long an unwanted body is read.
private let drainTime = Duration.milliseconds(50)

// How a response comes in: bytes through the machine into the exchange, and what follows its end.
extension HTTP1LiveConnection {
    /// Reads while there is something to read and somebody takes it.
    func readInput() {
        if hasMoreInput(after: maxReadsInRow) { wire.readLater() }
    }

    /// Looks for what came since the last answer, before a request is sent: nothing of that may be
    /// taken for its answer, and an end is better met before than after it.
    ///
    /// The loop reports readiness at the start of each tick only, so this is a system call.
    func readBeforeUse() {
        wire.lookForInput()
        if wire.mayHaveInput { _ = hasMoreInput(after: maxReadsInPassing) }
    }

    /// Takes what has come and was not reported yet.
    func readWhatHasCome() {
        wire.lookForInput()
        _ = hasMoreInput(after: maxReadsInPassing)
    }

    /// Reads so many times at most; whether there may be more.
    private func hasMoreInput(after limit: Int) -> Bool {
        var reads = 0
        // After sending has failed nothing more can come, so all that came is read, ready or not.
        while wire.mayHaveInput || wire.sendError != nil, !isPaused, wire.isOpen {
            guard reads < limit else { return true }
            reads += 1
            do throws(WireError) {
                switch try wire.read({ bytesReceived($0) }) {
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

    func bytesReceived(_ bytes: RawSpan) {
        if exchange == nil, keepFirstWords(bytes) { return }
        var offset = 0
        answerBytes += bytes.byteCount
        // Told once, at the end: by then the connection may be free for the caller's next request.
        let exchange = exchange
        defer { exchange?.wake() }
        do throws(HTTP1Error) {
            while wire.isOpen, let event = try machine.nextEvent(in: bytes, offset: &offset) {
                handle(event, in: bytes)
            }
        } catch {
            if failByFirstWords(error.message) { return }
            guard self.exchange != nil || drain != nil else {
                return end(.unsolicitedBytes, .malformed, error.message)
            }
            end(.protocolViolation, TransportError.Kind(error), explain(error))
        }
        // The duplex first reads what follows the head that ended HTTP here.
        if duplex != nil, offset < bytes.byteCount {
            wire.putBack(bytes.extracting(droppingFirst: offset))
        }
    }

    private func handle(_ event: HTTP1Event, in bytes: RawSpan) {
        if failByFirstWords(event) { return }
        switch event {
        case .informational(let response): informationalReceived(response)
        case .head(let response, _): headReceived(response)
        case .body(let range):
            guard drain == nil else { return drained(range.count) }
            let goesOn = exchange?.bodyReceived(Bytes(copying: bytes.extracting(range))) ?? true
            isPaused = !goesOn
        case .end(let trailers): responseEnded(trailers)
        case .upgraded(let response): upgraded(response)
        }
    }

    /// HTTP ends here: the wire goes over to a raw duplex, which lives on in this one's place.
    private func upgraded(_ response: HTTPResponse) {
        guard let exchange else { return end(.responseUnfinished, .cancelled, "dropped") }
        self.exchange = nil
        exchange.timers.stop(on: loop)
        wire.keepSessions()
        // Not another byte is read here.
        isPaused = true
        let duplex = WireDuplex(wire, at: exchange.place) { [self] reason in
            keeper.closed(self, reason: reason)
        }
        self.duplex = duplex
        duplex.assumeIsolated { $0.attach() }
        if !exchange.upgraded(response, to: duplex) { duplex.close() }
    }

    private func informationalReceived(_ response: HTTPResponse) {
        exchange?.informationalReceived(response)
        guard response.status.code == 100, let exchange, case .held = outgoing else { return }
        // Not at once: this runs within a read, which TLS does not let a write interrupt.
        loop.execute { self.assumeIsolated { $0.releaseBody(of: exchange) } }
    }

    /// A refusal makes the rest of the upload pointless, and a final answer instead of a 100 means
    /// that the body is not wanted (RFC 9110, section 10.1.1).
    private func headReceived(_ response: HTTPResponse) {
        if case .held = outgoing { stopUpload() }
        isRefused = response.status.code >= 400
        if isRefused { stopUpload() }
        exchange?.headReceived(response)
    }

    // MARK: The end of a response

    func responseEnded(_ trailers: HTTPFields?) {
        stopUpload()
        isPaused = false
        wire.keepSessions()
        // An answer before the whole request had left: what the peer makes of the rest is unknown.
        let isEarly = wire.unsentCount > 0 || wire.sendError != nil
        let reason = machine.closeReason ?? (isEarly ? .requestUnfinished : nil)
        if let drain {
            loop.cancel(drain.timer)
            self.drain = nil
            return free(reason)
        }
        guard let exchange else { return }
        self.exchange = nil
        exchange.timers.stop(on: loop)
        let ownEnd: CloseReason? = exchange.request.closesConnection ? .notPooled : nil
        free(reason ?? ownEnd)
        exchange.responseEnded(trailers: trailers)
    }

    /// Back to the pool, or closed when there is a reason to.
    private func free(_ reason: CloseReason?) {
        if let reason {
            wire.close()
            return keeper.closed(self, reason: reason)
        }
        if let timeout = machine.keepAliveHint.timeout {
            keeper.idleTimeHinted(self, timeout - min(tuning.keepAliveMargin, timeout / 4))
        }
        keeper.released(self)
    }

    // MARK: Consumers that are slow or gone

    func resumeReading(for exchange: Exchange) {
        guard self.exchange === exchange, isPaused else { return }
        isPaused = false
        // Not at once: a consumer on this loop would then never have to wait for a piece, and would
        // keep all others from the loop.
        wire.readLater()
    }

    /// Reads on without a reader, in the hope that the response ends soon.
    func drainResponse(of exchange: Exchange) {
        self.exchange = nil
        exchange.timers.stop(on: loop)
        let deadline = Deadline.now().advanced(by: drainTime)
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
}
