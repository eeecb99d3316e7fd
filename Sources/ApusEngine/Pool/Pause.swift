import ApusCore
import ApusSocket

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
