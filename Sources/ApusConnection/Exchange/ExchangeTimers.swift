import ApusCore
import ApusSocket

/// The deadlines of one exchange on its connection's loop; without timeouts it holds nothing.
struct ExchangeTimers {
    private var timers: [LoopTimer] = []
    /// Asks whether the peer is silent: one at a time, however long the response is.
    private var silence: LoopTimer?
    /// Ends a read that has a deadline: one at a time, however many reads there are.
    private var read: LoopTimer?

    fileprivate mutating func start(
        for exchange: Exchange, on loop: EventLoop, expire: @escaping (TransportError.Phase) -> Void
    ) {
        let request = exchange.request
        let started = exchange.timings.started
        if let timeout = request.totalTimeout {
            timers.append(loop.schedule(at: started.advanced(by: timeout)) { expire(.total) })
        }
        if let timeout = request.headTimeout {
            timers.append(
                loop.schedule(at: started.advanced(by: timeout)) { [weak exchange] in
                    if exchange?.isAwaitingHead == true { expire(.head) }
                })
        }
        if let timeout = request.readIdleTimeout {
            let first = Deadline.now().advanced(by: timeout)
            watchSilence(of: exchange, at: first, on: loop, expire)
        }
    }

    /// Takes the timers off the loop.
    mutating func stop(on loop: EventLoop) {
        for timer in timers { loop.cancel(timer) }
        timers = []
        if let silence { loop.cancel(silence) }
        silence = nil
        if let read { loop.cancel(read) }
        read = nil
    }

    /// Looks at the reader of the body at this instant, and again when it asks for that.
    fileprivate mutating func watchRead(
        of exchange: Exchange, at deadline: Deadline, on loop: EventLoop
    ) {
        if let read { loop.cancel(read) }
        read = nil
        guard !exchange.hasEnded else { return }
        read = loop.schedule(at: deadline) { [weak exchange] in
            guard let exchange, let next = exchange.readTimerFired(now: .now()) else { return }
            exchange.timers.watchRead(of: exchange, at: next, on: loop)
        }
    }

    /// Looks again whenever the silence could have grown long enough, rather than at each read.
    private mutating func watchSilence(
        of exchange: Exchange, at deadline: Deadline, on loop: EventLoop,
        _ expire: @escaping (TransportError.Phase) -> Void
    ) {
        silence = loop.schedule(at: deadline) { [weak exchange] in
            guard let exchange, let verdict = exchange.silence(now: .now()) else { return }
            switch verdict {
            case .isOver: expire(.body)
            case .lasts(let next):
                exchange.timers.watchSilence(of: exchange, at: next, on: loop, expire)
            }
        }
    }
}

extension Exchange {
    /// Sets the timers that the request asks for; `expire` hears which one ran out, if there are
    /// any.
    ///
    /// The timers keep what `expire` captures until they are stopped.
    func startTimers(
        on loop: EventLoop,
        expire: @autoclosure () -> (Exchange, TransportError.Phase) -> Void
    ) {
        guard request.hasTimeouts else { return }
        let expire = expire()
        timers.start(for: self, on: loop) { [weak self] phase in
            if let self { expire(self, phase) }
        }
    }

    /// Sets the timer of reads, from any thread.
    func setReadTimer(at deadline: Deadline, on loop: EventLoop) {
        if loop.isCurrent {
            timers.watchRead(of: self, at: deadline, on: loop)
        } else {
            loop.execute { self.timers.watchRead(of: self, at: deadline, on: loop) }
        }
    }
}

extension OutgoingRequest {
    /// Whether any timer is to run while it is on its connection.
    fileprivate var hasTimeouts: Bool {
        totalTimeout != nil || headTimeout != nil || readIdleTimeout != nil
    }
}
