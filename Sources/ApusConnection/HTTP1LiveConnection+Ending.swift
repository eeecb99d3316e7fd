import ApusCore
import ApusHTTP1
import ApusSocket
import ApusWire

// How a connection ends: by the peer, a deadline, the caller or a fault.
extension HTTP1LiveConnection {
    /// The peer ended its side, which is the end of a body that has no other.
    func peerEnded() {
        if keepEnd() || failByFirstWords("it ended within its words") { return }
        // After a reset the kernel reports an end of stream once sending has met the reset, so
        // that this end proves nothing: a body that lasts until then may be cut short.
        if let error = wire.sendError, !machine.isIdle {
            return end(.transportError, error.explained.kind, error.explained.message)
        }
        do throws(HTTP1Error) {
            let exchange = exchange
            if case .end(let trailers) = try machine.streamEnded() {
                responseEnded(trailers)
                exchange?.wake()
            }
            end(.peerClosed, .truncated, "the connection ended")
        } catch {
            end(.peerClosed, TransportError.Kind(error), explain(error))
        }
    }

    /// The rule that was broken, and how much of the answer had come: an error's own count is of
    /// its body alone.
    func explain(_ error: HTTP1Error) -> String {
        answerBytes > 0
            ? "\(error.message); \(answerBytes) bytes of the answer had come" : error.message
    }

    func wireFailed(_ error: WireError) {
        let (kind, message) = error.explained
        if failByFirstWords(message) { return }
        if exchange == nil, case .resource = kind { shortage = (kind, message) }
        end(kind == .truncated ? .peerClosed : .transportError, kind, message)
    }

    func startTimers(of exchange: Exchange) {
        exchange.timers.start(for: exchange, on: loop) { [weak self, weak exchange] phase in
            guard let self, let exchange else { return }
            self.assumeIsolated { $0.expire(exchange, phase) }
        }
    }

    private func expire(_ exchange: Exchange, _ phase: TransportError.Phase) {
        guard self.exchange === exchange else { return }
        // No head can be expected of a peer that does not take the request.
        let reported = phase == .head && isSending ? .send : phase
        noteResponse(of: exchange)
        exchange.failed(.timeout, phase: reported, "no end within the \(phase.rawValue) timeout")
        end(.timeout, .timeout, "timeout")
    }

    /// No caller waits for the exchange any more.
    func give(up exchange: Exchange, _ reason: CloseReason) {
        guard self.exchange === exchange else { return }
        // A body that was dropped may be short, a cancelled request may answer at any time.
        let isWorthDraining =
            reason == .responseUnfinished && !exchange.request.closesConnection
            && exchange.request.limits.drainBytes > 0 && outgoing.isNothing && !machine.isIdle
        guard isWorthDraining else { return end(reason, .cancelled, "cancelled") }
        drainResponse(of: exchange)
    }

    /// Closes, and fails what is in flight; idempotent.
    func end(_ reason: CloseReason, _ kind: TransportError.Kind, _ message: String) {
        guard wire.isOpen else { return }
        stopUpload()
        if let drain { loop.cancel(drain.timer) }
        drain = nil
        wire.keepSessions()
        wire.close()
        let exchange = exchange
        self.exchange = nil
        exchange?.timers.stop(on: loop)
        keeper.closed(self, reason: isStale(exchange, reason) ? .staleReuse : reason)
        guard let exchange else { return }
        noteResponse(of: exchange)
        // The system's own time-out: the peer's system has not acknowledged what was sent.
        let isLost = kind == .timeout && reason == .transportError
        if isLost { exchange.connectionLost() }
        exchange.failed(
            kind, phase: isLost && exchange.isAwaitingHead ? .send : nil, message,
            replay: nothingHasLeft ? .notSent : nil)
    }

    /// Whether the peer had given the connection up before this request reached it.
    private func isStale(_ exchange: Exchange?, _ reason: CloseReason) -> Bool {
        guard let exchange, reason == .peerClosed || reason == .transportError else { return false }
        return exchange.isOnReusedConnection && !machine.responseStarted
    }

    /// Even one byte of a response rules out that sending again is safe.
    private func noteResponse(of exchange: Exchange) {
        if machine.responseStarted { exchange.responseStarted() }
    }
}
