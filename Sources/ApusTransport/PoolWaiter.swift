import ApusCore
import ApusPool
import ApusSocket

/// One request's wait for a connection; ends by a grant, a failure, its deadline or its
/// cancellation.
///
/// Unchecked, because what stands under "guarded" is touched only with the lock held.
final class PoolWaiter: @unchecked Sendable {
    typealias Answer = Result<ConnectionPool.Lease, TransportError>

    let id: WaiterID
    private let route: Route
    private let pool: ConnectionPool
    private let lock = Lock()
    // Guarded.
    private var answer: Answer?
    private var continuation: UnsafeContinuation<Answer, Never>?

    init(_ id: WaiterID, for route: Route, in pool: ConnectionPool) {
        self.id = id
        self.route = route
        self.pool = pool
    }

    func wait(_ limit: WaitLimit?, on loop: EventLoop) async -> Answer {
        let timer = limit.map { PoolWaiterTimer(self, $0, on: loop) }
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let early = lock.withLock { () -> Answer? in
                    if answer == nil { unsafe self.continuation = continuation }
                    return answer
                }
                if let early { unsafe continuation.resume(returning: early) }
            }
        } onCancel: {
            give(
                up: .cancelled, .pool, "the request was cancelled while it waited for a connection")
        }
    }

    /// The pool has decided; the first answer counts.
    func finish(_ answer: Answer) {
        let continuation = lock.withLock { () -> UnsafeContinuation<Answer, Never>? in
            guard self.answer == nil else { return nil }
            self.answer = answer
            defer { unsafe self.continuation = nil }
            return unsafe self.continuation
        }
        unsafe continuation?.resume(returning: answer)
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

/// When a wait for a connection is over, and which of its limits says so.
struct WaitLimit {
    let deadline: Deadline
    let phase: TransportError.Phase

    /// The earliest of the pool's limit and the request's own; `nil` when there is none.
    init?(
        _ acquire: Duration?, _ now: Deadline, _ request: OutgoingRequest, _ started: Deadline
    ) {
        let limits: [(Deadline?, TransportError.Phase)] = [
            (acquire.map { now.advanced(by: $0) }, .pool),
            (request.headTimeout.map { started.advanced(by: $0) }, .head),
            (request.totalTimeout.map { started.advanced(by: $0) }, .total),
        ]
        var earliest: (Deadline, TransportError.Phase)?
        for case (let deadline?, let phase) in limits {
            if let found = earliest, found.0 <= deadline { continue }
            earliest = (deadline, phase)
        }
        guard let earliest else { return nil }
        (deadline, phase) = earliest
    }
}

/// A waiter's deadline on a loop, set and taken away from any thread.
///
/// Unchecked, because `timer` is touched on the loop's thread only.
private final class PoolWaiterTimer: @unchecked Sendable {
    private let loop: EventLoop
    private var timer: LoopTimer?
    private var isCancelled = false

    init(_ waiter: PoolWaiter, _ limit: WaitLimit, on loop: EventLoop) {
        self.loop = loop
        loop.execute {
            guard !self.isCancelled else { return }
            self.timer = loop.schedule(at: limit.deadline) { [weak waiter] in
                waiter?.deadlineReached(limit.phase)
            }
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
