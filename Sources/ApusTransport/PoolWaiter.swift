import ApusCore
import ApusPool
import ApusSocket

/// One request's wait for a connection; ends by a grant, a failure, its deadline or its cancellation.
///
/// Unchecked, because what stands under "guarded" is touched only with the lock held.
final class PoolWaiter: @unchecked Sendable {
    typealias Answer = Result<ConnectionPool.Lease, TransportError>

    let id: WaiterID
    private let pool: ConnectionPool
    private let lock = Lock()
    // Guarded.
    private var answer: Answer?
    private var continuation: UnsafeContinuation<Answer, Never>?

    init(_ id: WaiterID, in pool: ConnectionPool) {
        self.id = id
        self.pool = pool
    }

    func wait(until deadline: Deadline?, on loop: EventLoop) async -> Answer {
        let timer = deadline.map { PoolWaiterTimer(self, at: $0, on: loop) }
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
            give(up: .cancelled, "the request was cancelled while it waited for a connection")
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

    func deadlineReached() {
        give(up: .timeout, "no connection became free in time")
    }

    /// Leaves the queue; when the pool was faster, its answer stands.
    private func give(up kind: TransportError.Kind, _ message: String) {
        guard pool.cancel(self) else { return }
        finish(.failure(TransportError(kind, phase: .pool, message: message)))
    }
}

/// A waiter's deadline on a loop, set and taken away from any thread.
///
/// Unchecked, because `timer` is touched on the loop's thread only.
private final class PoolWaiterTimer: @unchecked Sendable {
    private let loop: EventLoop
    private var timer: LoopTimer?
    private var isCancelled = false

    init(_ waiter: PoolWaiter, at deadline: Deadline, on loop: EventLoop) {
        self.loop = loop
        loop.execute {
            guard !self.isCancelled else { return }
            self.timer = loop.schedule(at: deadline) { [weak waiter] in waiter?.deadlineReached() }
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
