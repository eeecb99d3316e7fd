package import ApusCore

/// A timer for an instant that changes often: it is set anew only for an earlier one.
///
/// Where the instant has moved away meanwhile, the alarm fires too early, and its owner sets it
/// again. A deadline that each answer of a peer moves away costs nothing.
///
/// Confined to the thread of its loop.
package struct LoopAlarm {
    private var timer: LoopTimer?

    package init() {}

    /// Whether it fires at this instant, or before.
    package func isSet(by deadline: Deadline) -> Bool {
        timer.map { $0.deadline <= deadline } ?? false
    }

    /// Has `action` called at this instant, and at no other; it calls `hasFired` or `cancel` first.
    package mutating func set(
        at deadline: Deadline, on loop: EventLoop, _ action: @escaping () -> Void
    ) {
        cancel(on: loop)
        timer = loop.schedule(at: deadline, action)
    }

    /// It is not set any more.
    package mutating func hasFired() {
        timer = nil
    }

    /// Takes it off the loop.
    package mutating func cancel(on loop: EventLoop) {
        if let timer { loop.cancel(timer) }
        timer = nil
    }
}
