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

    func wait(_ limit: WaitLimit?, on loop: EventLoop) async -> Answer {
        let timer = limit.map { limit in
            PoolWaiterTimer(limit.deadline, on: loop) { [weak self] in
                self?.deadlineReached(limit.phase)
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

    fileprivate func deadlineReached(_ phase: TransportError.Phase) {
        var message = "no connection became free in time"
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
        let timer = PoolWaiterTimer(deadline, on: loop) { answer.give(error) }
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

/// A waiter's deadline on a loop, set and taken away from any thread.
///
/// Unchecked, because `timer` is touched on the loop's thread only.
private final class PoolWaiterTimer: @unchecked Sendable {
    private let loop: EventLoop
    private var timer: LoopTimer?
    private var isCancelled = false

    init(
        _ deadline: Deadline, on loop: EventLoop, _ action: @escaping @Sendable () -> Void
    ) {
        self.loop = loop
        loop.execute {
            guard !self.isCancelled else { return }
            self.timer = loop.schedule(at: deadline, action)
        }
    }

    func cancel() {
        loop.execute {
            self.isCancelled = true
            if let timer = self.timer { self.loop.cancel(timer) }
            self.timer = nil
        }
    }
}

// MARK: What is asked, and refused

extension Reuse {
    init(_ reuse: RequestOptions.Reuse) {
        switch reuse {
        case .pooled: self = .pooled
        case .fresh: self = .fresh
        case .oneShot: self = .oneShot
        }
    }
}

extension TransportError {
    /// The pool would not even queue the request.
    static func refused(_ why: LeaseResult.Refusal, _ route: Route) -> TransportError {
        var error =
            switch why {
            case .tooManyWaiters:
                TransportError(
                    .overloaded, phase: .pool,
                    message: "pool.maxWaitersPerHost requests wait for this route already")
            case .shutDown:
                TransportError(.shutdown, phase: .pool, message: "the engine is shutting down")
            }
        error.route = route
        return error
    }
}
