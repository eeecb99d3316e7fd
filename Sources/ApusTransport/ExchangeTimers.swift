import ApusCore
import ApusSocket

/// The deadlines of one exchange on its connection's loop; without timeouts it holds nothing.
struct ExchangeTimers {
    private var timers: [LoopTimer] = []

    /// Sets the timers that the request asks for; `expire` hears which one ran out.
    mutating func start(
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
            timers.append(watchSilence(of: exchange, timeout, on: loop, expire))
        }
    }

    /// Takes the timers off the loop.
    mutating func stop(on loop: EventLoop) {
        guard !timers.isEmpty else { return }
        for timer in timers { loop.cancel(timer) }
        timers = []
    }

    /// Looks again whenever the silence could have grown long enough, rather than at each read.
    private func watchSilence(
        of exchange: Exchange, _ timeout: Duration, on loop: EventLoop,
        _ expire: @escaping (TransportError.Phase) -> Void
    ) -> LoopTimer {
        let mark = exchange.bytesReceivedSoFar
        return loop.schedule(at: Deadline.now().advanced(by: timeout)) { [weak exchange] in
            guard let exchange, !exchange.hasEnded else { return }
            let isSilent = exchange.bytesReceivedSoFar == mark && exchange.isReadingBody
            if isSilent { return expire(.body) }
            exchange.timers.timers.append(
                exchange.timers.watchSilence(of: exchange, timeout, on: loop, expire))
        }
    }
}

extension OutgoingRequest {
    /// Whether any timer is to run while it is on its connection.
    var hasTimeouts: Bool {
        totalTimeout != nil || headTimeout != nil || readIdleTimeout != nil
    }
}
