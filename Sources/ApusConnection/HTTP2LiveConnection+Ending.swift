import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire

// How streams and the connection end early, and which error each exchange gets.

extension HTTP2LiveConnection {
    /// Takes no new streams; the connection goes with the last of those it has.
    func drain(_ reason: CloseReason) {
        if session.isCalmDemanded, !isCalm {
            isCalm = true
            keeper.calmDemanded(self)
        }
        guard drainReason == nil else { return }
        drainReason = reason
        keeper.draining(self, reason: reason)
    }

    func give(up exchange: Exchange) {
        if withdraw(exchange) { return }
        guard let stream = exchange.stream, streams[stream] != nil, wire.isOpen else { return }
        reset(stream)
    }

    func startTimers(of exchange: Exchange) {
        exchange.timers.start(for: exchange, on: loop) { [weak self, weak exchange] phase in
            guard let self, let exchange else { return }
            self.assumeIsolated { $0.expire(exchange, phase) }
        }
    }

    private func expire(_ exchange: Exchange, _ phase: TransportError.Phase) {
        let isWithdrawn = withdraw(exchange)
        guard isWithdrawn || exchange.stream.map({ streams[$0] != nil }) == true else { return }
        // What waits in the session for a slot, or for the socket, is taken back by the reset.
        let isSent = exchange.stream.map { session.isSent($0) } ?? false
        exchange.failed(
            .timeout, phase: phase, "no end within the \(phase.rawValue) timeout",
            replay: isSent ? nil : .notSent)
        if let stream = exchange.stream { reset(stream) }
        liveness.doubted()
    }

    /// RST_STREAM; the slot is free once the session says `.closed`.
    func reset(_ id: HTTP2StreamID, code: UInt32 = HTTP2ErrorCode.cancel) {
        streams[id]?.pump?.stop()
        session.reset(id, code: code)
        if let failure = session.failure { return sessionFailed(failure) }
        scheduleFlush()
    }

    /// Fails an exchange with the GOAWAY or the error that its connection ended with.
    func fail(_ exchange: Exchange, _ failure: StreamFailure) {
        let (kind, message) = explain(failure)
        // A stream's own end is a word, also where its connection has ended since.
        if !wire.isOpen, goAway == nil, [.connectionLost, .notSent].contains(failure) {
            exchange.connectionEnded()
        }
        if isLost { exchange.connectionLost() }
        exchange.failed(
            kind, phase: isLost && exchange.isAwaitingHead ? .send : nil, message,
            replay: failure.replay(responseStarted: false))
    }

    /// What a failure is called, given how the connection ends.
    func explain(_ failure: StreamFailure) -> (TransportError.Kind, String) {
        var kind = TransportError.Kind(failure)
        var message = failure.explained
        switch failure {
        case .connectionLost:
            if let ending { (kind, message) = ending }
            if let goAway, goAway.code != 0 { kind = goAway.kind() }
        case .notSent:
            if let goAway { kind = goAway.kind() }
        case .aboveLastStreamID(let code):
            if let goAway { kind = goAway.kind(code: code) }
        default: break
        }
        return (kind, message)
    }

    func sessionFailed(_ error: HTTP2Error) {
        ending = (TransportError.Kind(error), error.message)
        drain(.protocolViolation)
        guard wire.isOpen else { return }
        sendFarewell()
        end(.protocolViolation, TransportError.Kind(error), error.message)
    }

    /// The GOAWAY that says why is worth sending, whatever became of the rest.
    func sendFarewell() {
        if wire.isWritable { _ = try? sendOutput() }
    }

    /// Closes, and gives every exchange in flight its verdict; idempotent.
    ///
    /// The pool hears of it first, so that no exchange that is sent again comes back here.
    func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        guard wire.isOpen else { return }
        if ending == nil { ending = (kind, message) }
        isLost = kind == .timeout && reason == .transportError
        wire.keepSessions()
        let taken = wire.sentCount
        wire.close()
        liveness.stop()
        outputWatch.stop()
        for timer in [settingsTimer, peerSettingsTimer] {
            if let timer { loop.cancel(timer) }
        }
        keeper.closed(self, reason: reason)
        session.streamEnded(taken: taken)
        while let sent = session.nextSentBody() { bodySent(sent) }
        while let event = session.nextEvent() { handle(event) }
        failWaiting()
        assert(streams.isEmpty, "the session forgot a stream")
    }
}
