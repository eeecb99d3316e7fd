import ApusCore
import ApusSocket
import ApusWire

/// The deadlines of one exchange on its connection's loop, and its share of that loop's load.
struct ExchangeTimers {
    /// Whether the loop counts the exchange.
    private var isCounted = false
    private var timers: [LoopTimer] = []
    /// Looks at the waits that have limits of their own: one at a time, however long they are.
    private var watch: LoopTimer?
    /// Ends a read that has a deadline: one at a time, however many reads there are.
    private var read: LoopTimer?

    fileprivate mutating func start(
        for exchange: Exchange, on loop: EventLoop,
        output: @escaping (Exchange) -> ExchangeOutput, expire: @escaping (ExchangeWait) -> Void
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
        if let limits = request.waitLimits {
            let judge = ExchangeWatch(limits, now: .now())
            look(at: exchange, at: judge.firstLook, by: judge, on: loop, expire, output)
        }
    }

    /// The loop carries the exchange from here on, until `stop`.
    fileprivate mutating func count(on loop: EventLoop) {
        guard !isCounted else { return }
        isCounted = true
        loop.load += 1
    }

    /// Takes the exchange and its timers off the loop.
    mutating func stop(on loop: EventLoop) {
        if isCounted { loop.load -= 1 }
        isCounted = false
        for timer in timers { loop.cancel(timer) }
        timers = []
        if let watch { loop.cancel(watch) }
        watch = nil
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

    /// Looks at the waits at this instant, and again when the judge asks for that.
    private mutating func look(
        at exchange: Exchange, at deadline: Deadline, by judge: ExchangeWatch, on loop: EventLoop,
        _ expire: @escaping (ExchangeWait) -> Void,
        _ output: @escaping (Exchange) -> ExchangeOutput
    ) {
        watch = loop.schedule(at: deadline) { [weak exchange] in
            guard let exchange, let findings = exchange.findings(output(exchange)) else { return }
            var judge = judge
            let verdict = judge.look(findings, now: .now())
            if let stall = verdict.stalled { exchange.story?.stalled(stall) }
            if let wait = verdict.over { return expire(wait) }
            exchange.timers.look(
                at: exchange, at: verdict.nextLook, by: judge, on: loop, expire, output)
        }
    }
}

/// How far the bytes of a request have come on their connection.
struct ExchangeOutput {
    /// A number that grows when the peer's side takes some.
    var taken: UInt64
    /// Whether some are ready to leave that it has not taken.
    var isBlocked: Bool
}

extension ExchangeOutput {
    /// What the socket has taken.
    init(of wire: Wire) {
        taken = wire.sentCount
        isBlocked = !wire.isWritable
    }
}

extension Exchange {
    /// Counts the exchange on the loop, and sets the timers that the request asks for, if any.
    ///
    /// The timers keep what the closures capture until they are stopped.
    /// - Parameters:
    ///   - output: says how far the request's bytes have come.
    ///   - expire: is called with the limit that is over.
    func startTimers(
        on loop: EventLoop, output: @autoclosure () -> (Exchange) -> ExchangeOutput,
        expire: @autoclosure () -> (Exchange, ExchangeWait) -> Void
    ) {
        timers.count(on: loop)
        guard request.hasTimeouts else { return }
        let expire = expire()
        timers.start(for: self, on: loop, output: output()) { [weak self] wait in
            if let self { expire(self, wait) }
        }
    }

    /// A limit is over: the exchange fails with it.
    func failed(
        _ limit: TimeLimit, phase: TransportError.Phase? = nil,
        replay: TransportError.Replay? = nil, _ connectionEnd: @autoclosure () -> ConnectionEnd?
    ) {
        failed(
            .timeout, phase: phase ?? limit.wait.phase, limit.explanation, replay: replay,
            limit: limit, connectionEnd())
    }

    /// The body's first bytes have come.
    func bodyBegan(at now: Deadline) {
        timings.firstByteReceived(at: now)
        story?.bodyBegan()
    }

    /// What `ExchangeWatch` judges; `nil` once the exchange is over.
    fileprivate func findings(_ output: ExchangeOutput) -> ExchangeWatch.Findings? {
        guard !hasEnded else { return nil }
        return ExchangeWatch.Findings(
            sent: timings.sentAt, taken: output.taken, isBlocked: output.isBlocked,
            head: timings.headAt, firstByte: timings.firstByteAt, bodyAwaited: bodyAwaitedSince)
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
        totalTimeout != nil || headTimeout != nil || waitLimits != nil
    }
}
