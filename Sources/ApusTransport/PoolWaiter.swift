import ApusCore
import ApusPool
import ApusSocket

/// One request's wait for a connection; ends by a grant, a failure, its deadline or its
/// cancellation.
final class PoolWaiter: Sendable {
    typealias Answer = Result<ConnectionPool.Lease, TransportError>

    let id: WaiterID
    private let route: Route
    private let pool: ConnectionPool
    private let answer = FirstAnswer<Answer>()

    init(_ id: WaiterID, for route: Route, in pool: ConnectionPool) {
        self.id = id
        self.route = route
        self.pool = pool
    }

    func wait(_ clock: WaitClock, on loop: EventLoop) async -> Answer {
        let timer = clock.firstLook.map { first in
            PoolWaiterTimer(at: first, on: loop) { [weak self] timer in
                self?.look(clock, timer)
            }
        }
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await answer.wait()
        } onCancel: {
            give(
                up: .cancelled, .pool, "the request was cancelled while it waited for a connection")
        }
    }

    /// The pool has decided; the first answer counts.
    func finish(_ answer: Answer) {
        self.answer.give(answer)
    }

    /// Looks how the wait stands; when to look again.
    fileprivate func look(_ clock: WaitClock, _ timer: PoolWaiterTimer) -> Deadline? {
        guard let (verdict, isForDial) = pool.look(at: self, clock, timer) else { return nil }
        switch verdict {
        case .lasts(let next, _): return next
        case .over(let phase):
            isOver(phase, isForDial)
            return nil
        }
    }

    private func isOver(_ phase: TransportError.Phase, _ isForDial: Bool) {
        var message =
            isForDial ? "no connection was made in time" : "no connection became free in time"
        if let last = pool.lastFailure(of: route) {
            message += "; the last dial failed: \(last.kind.name): \(last.message)"
        }
        give(up: .timeout, phase, message)
    }

    /// Leaves the queue; when the pool was faster, its answer stands.
    private func give(
        up kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) {
        guard pool.cancel(self) else { return }
        finish(.failure(TransportError(kind, phase: phase, message: message)))
    }
}

/// A wait for time alone, which its task's cancellation ends as well.
enum Pause {
    /// Waits until `end`.
    ///
    /// - Throws: `timeout` when `limit` comes first, `cancelled` when the task is.
    static func wait(
        until end: Deadline, _ limit: WaitLimit?, on loop: EventLoop
    ) async throws(TransportError) {
        let answer = FirstAnswer<TransportError?>()
        let (deadline, error): (Deadline, TransportError?) =
            if let limit, limit.deadline < end {
                (limit.deadline, limit.reached("its connections took no requests"))
            } else {
                (end, nil)
            }
        let timer = PoolWaiterTimer(at: deadline, on: loop) { _ in
            answer.give(error)
            return nil
        }
        defer { timer.cancel() }
        let failure = await withTaskCancellationHandler {
            await answer.wait()
        } onCancel: {
            answer.give(
                TransportError(
                    .cancelled, phase: .pool,
                    message: "the request was cancelled while it waited for a connection"))
        }
        if let failure { throw failure }
    }
}

/// When a wait for a connection is over, and which of its limits says so.
struct WaitLimit {
    let deadline: Deadline
    let phase: TransportError.Phase

    /// The earliest of a phase's own limit and the request's; `nil` when there is none.
    init?(
        _ timeout: Duration?, as phase: TransportError.Phase, _ now: Deadline,
        _ request: OutgoingRequest, _ started: Deadline
    ) {
        let limits: [(Deadline?, TransportError.Phase)] = [
            (timeout.map { now.advanced(by: $0) }, phase),
            (request.headTimeout.map { started.advanced(by: $0) }, .head),
            (request.totalTimeout.map { started.advanced(by: $0) }, .total),
        ]
        var earliest: (Deadline, TransportError.Phase)?
        for case (let deadline?, let phase) in limits {
            if let found = earliest, found.0 <= deadline { continue }
            earliest = (deadline, phase)
        }
        guard let earliest else { return nil }
        deadline = earliest.0
        self.phase = earliest.1
    }

    /// What a request fails with that waits for longer.
    func reached(_ message: String) -> TransportError {
        TransportError(.timeout, phase: phase, message: message)
    }
}

/// Looks at a wait whenever its time may be over, on a loop; set and taken away from any thread.
///
/// Unchecked, because `timer` and `isCancelled` are touched on the loop's thread only.
final class PoolWaiterTimer: @unchecked Sendable {
    private let loop: EventLoop
    private let action: @Sendable (PoolWaiterTimer) -> Deadline?
    private var timer: LoopTimer?
    private var isCancelled = false

    /// - Parameter action: called each time; says when to look again, or that this is the end.
    init(
        at first: Deadline, on loop: EventLoop,
        _ action: @escaping @Sendable (PoolWaiterTimer) -> Deadline?
    ) {
        self.loop = loop
        self.action = action
        loop.execute { self.arm(first) }
    }

    /// Looks at the wait now.
    func look() {
        loop.execute { self.timeHasCome() }
    }

    func cancel() {
        loop.execute {
            self.isCancelled = true
            self.disarm()
        }
    }

    private func timeHasCome() {
        guard !isCancelled else { return }
        disarm()
        if let next = action(self) { arm(next) }
    }

    private func arm(_ deadline: Deadline) {
        guard !isCancelled else { return }
        timer = loop.schedule(at: deadline) { [weak self] in self?.timeHasCome() }
    }

    private func disarm() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }
}

extension WaitClock {
    /// The clock of a request that begins to wait at `now`.
    init(_ now: Deadline, _ request: OutgoingRequest, _ started: Deadline) {
        let whole = WaitLimit(nil, as: .pool, now, request, started)
        self.init(
            started: now, acquireTimeout: request.acquireTimeout,
            connectTimeout: request.connectTimeout,
            whole: whole.map { ($0.deadline, $0.phase) })
    }
}

// MARK: What is asked, and refused

extension Reuse {
    init(_ reuse: RequestOptions.Reuse) {
        switch reuse {
        case .pooled, .pooledThenClosed: self = .pooled
        case .fresh: self = .fresh
        case .oneShot: self = .oneShot
        }
    }
}

extension TransportError {
    /// The pool would not even queue the request.
    ///
    /// - Parameter last: why the route's last dial failed.
    init(_ why: LeaseResult.Refusal, _ route: Route, last: TransportError?) {
        var error =
            switch why {
            case .dialFailed:
                last?.repeated
                    ?? TransportError(
                        .timeout, phase: .pool,
                        message: "a dial has just failed, and the next one waits")
            case .tooManyWaiters:
                TransportError(
                    .overloaded, phase: .pool,
                    message: "pool.maxWaitersPerHost requests wait for this route already")
            case .shutDown:
                TransportError(.shutdown, phase: .pool, message: "the engine is shutting down")
            }
        error.route = route
        self = error
    }

    /// The connection ended before it was handed over.
    static func ofNoUse() -> TransportError {
        TransportError(
            .reset, phase: .connect, message: "the connection was of no use to the request")
    }

    /// A dial's error for a request that came after it.
    private var repeated: TransportError {
        var error = self
        error.message += "; the next dial waits for pool.dialBackoff"
        return error
    }
}
