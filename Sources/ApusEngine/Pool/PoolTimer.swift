import ApusCore
import ApusSocket

/// The one timer of a pool, on one loop; set from any thread.
///
/// Unchecked, because `alarm` is touched on the loop's thread only.
final class PoolTimer: @unchecked Sendable {
    private let loop: EventLoop
    private var alarm = LoopAlarm()

    init(on loop: EventLoop) {
        self.loop = loop
    }

    /// Sets the timer anew.
    ///
    /// - Parameters:
    ///   - deadline: called on the loop, for the earliest instant known by then.
    ///   - action: called on the loop at that instant, unless the timer is set anew before.
    func set(
        _ deadline: @escaping @Sendable () -> Deadline?,
        _ action: @escaping @Sendable () -> Void
    ) {
        loop.execute {
            self.alarm.cancel(on: self.loop)
            guard let deadline = deadline() else { return }
            self.alarm.set(at: deadline, on: self.loop) { [weak self] in
                self?.alarm.hasFired()
                action()
            }
        }
    }
}
