import ApusCore
import ApusSocket

/// The one timer of a pool, on one loop; set from any thread.
///
/// Unchecked, because `timer` is touched on the loop's thread only.
final class PoolTimer: @unchecked Sendable {
    private let loop: EventLoop
    private var timer: LoopTimer?

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
            if let timer = self.timer { self.loop.cancel(timer) }
            self.timer = deadline().map { deadline in
                self.loop.schedule(at: deadline) { [weak self] in
                    self?.timer = nil
                    action()
                }
            }
        }
    }
}
