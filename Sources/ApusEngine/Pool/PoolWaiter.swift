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

    /// Looks at the state of the wait; when to look again.
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

    /// Leaves the queue; when the pool was faster, its answer counts.
    private func give(
        up kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) {
        guard pool.cancel(self) else { return }
        finish(.failure(TransportError(kind, phase: phase, message: message)))
    }
}
