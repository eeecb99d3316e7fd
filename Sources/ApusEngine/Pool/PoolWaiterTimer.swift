import ApusCore
import ApusSocket

/// Looks at a wait whenever its time may be over, on a loop; set and taken away from any thread.
///
/// Unchecked, because `alarm` and `isCancelled` are touched on the loop's thread only.
final class PoolWaiterTimer: @unchecked Sendable {
    private let loop: EventLoop
    private let action: @Sendable (PoolWaiterTimer) -> Deadline?
    private var alarm = LoopAlarm()
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
            self.alarm.cancel(on: self.loop)
        }
    }

    private func timeHasCome() {
        guard !isCancelled else { return }
        alarm.cancel(on: loop)
        if let next = action(self) { arm(next) }
    }

    private func arm(_ deadline: Deadline) {
        guard !isCancelled else { return }
        alarm.set(at: deadline, on: loop) { [weak self] in self?.timeHasCome() }
    }
}
