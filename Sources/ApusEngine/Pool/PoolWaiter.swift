import ApusConnection
import ApusCore
import ApusPool
import ApusSocket

/// One request's wait for a connection; ends by a grant, a failure, its deadline or its
/// cancellation.
final class PoolWaiter: Sendable {
    typealias Answer = Result<ConnectionPool.Lease, TransportError>

    let id: WaiterID
    /// What is waited for.
    let cause: WaitCause
    private let route: Route
    private let request: OutgoingRequest
    private let clock: WaitClock
    /// The first of the request's own deadlines.
    private let limit: WaitLimit?
    private let pool: ConnectionPool
    private let answer = FirstAnswer<Answer>()

    /// - Parameter since: when the connection was asked for.
    init(
        _ id: WaiterID, for next: NextTry, since: Deadline, because cause: WaitCause,
        in pool: ConnectionPool
    ) {
        self.id = id
        self.cause = cause
        self.pool = pool
        route = next.route
        request = next.request
        clock = WaitClock(next.waitsSince, next.request, next.started)
        limit = WaitLimit(nil, as: .pool, since, next.request, next.started)
    }

    /// Waits for the connection no longer than `WaitClock` says.
    func lease() async throws(TransportError) -> ConnectionPool.Lease {
        try checked(await wait())
    }

    /// What was waited for, unless it has come too late.
    private func checked(_ answer: Answer) throws(TransportError) -> ConnectionPool.Lease {
        var lease = try answer.get()
        lease.waitedFor = cause
        if let limit, limit.deadline <= .now() {
            // The timer is about to say so; nothing is sent for a request that is over.
            pool.giveBack(lease)
            throw limit.reached("the connection came too late")
        }
        return lease
    }

    private func wait() async -> Answer {
        let timer = startTimer()
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await answer.wait()
        } onCancel: {
            let message = "the request was cancelled while it waited for a connection"
            giveUp(with: TransportError(.cancelled, phase: .pool, message: message))
        }
    }

    private func startTimer() -> PoolWaiterTimer? {
        clock.firstLook.map { first in
            PoolWaiterTimer(at: first, on: pool.loop) { [weak self] timer in self?.look(timer) }
        }
    }

    /// The pool has decided; the first answer counts.
    func finish(_ answer: Answer) {
        self.answer.give(answer)
    }

    /// Looks at the state of the wait; when to look again.
    private func look(_ timer: PoolWaiterTimer) -> Deadline? {
        guard let (verdict, cause) = pool.look(at: self, clock, timer) else { return nil }
        switch verdict {
        case .lasts(let next, _): return next
        case .over(let phase):
            isOver(phase, cause)
            return nil
        }
    }

    private func isOver(_ phase: TransportError.Phase, _ cause: WaitCause?) {
        var message = request.lateness(in: phase)
        if phase == .head || phase == .total {
            let isForDial = cause == .dial
            message =
                (isForDial ? "no connection was made: " : "no connection became free: ") + message
        }
        if let cap = cause?.cap { message += "; \(cap) is reached" }
        if let last = pool.lastFailure(of: route) {
            message += "; the last dial failed: \(last.kind.name): \(last.message)"
        }
        giveUp(with: request.timeout(in: phase, message))
    }

    /// Leaves the queue; when the pool was faster, its answer counts.
    private func giveUp(with error: TransportError) {
        guard pool.cancel(self) else { return }
        finish(.failure(error))
    }
}
