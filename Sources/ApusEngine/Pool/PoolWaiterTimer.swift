import ApusCore
import ApusSocket

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
