package import ApusCore

/// The one task that may read a body: whether it waits, until when, and when to look after it.
///
/// Its exits are those of a read: a piece, an end or an error was taken, or the deadline is over.
package struct BodyReader {
    /// The error for a second task that reads while the first one waits.
    static let twoReaders = InvalidRequest(field: "body", reason: "is read by two tasks at once")

    /// Whether a task has found nothing and has not taken what it waits for.
    package private(set) var isWaiting = false
    /// When it has waited long enough; `nil` is never.
    private var deadline: Deadline?
    /// The instant for which the timer is set, or is about to be.
    private var armed: Deadline?

    package init() {}

    /// A task has found nothing; whether it is to wait for more.
    package mutating func mayWait(until deadline: Deadline?, now: @autoclosure () -> Deadline)
        -> Bool
    {
        self.deadline = deadline
        isWaiting = !isLate(now())
        return isWaiting
    }

    /// The task has what it waited for.
    package mutating func tookSomething() {
        isWaiting = false
    }

    /// Whether the task that waits has waited long enough.
    package func isLate(_ now: @autoclosure () -> Deadline) -> Bool {
        guard let deadline else { return false }
        return deadline <= now()
    }

    /// The instant to set the timer for; `nil` when it is set for an earlier one, which then looks
    /// again: so that a body of many pieces costs no timer for each.
    package mutating func nextTimer() -> Deadline? {
        guard let deadline else { return nil }
        if let armed, armed <= deadline { return nil }
        armed = deadline
        return deadline
    }

    /// The timer has run out; when to look again, if the task has not waited long enough.
    package mutating func timerFired(now: Deadline) -> Deadline? {
        armed = nil
        guard isWaiting, !isLate(now) else { return nil }
        return nextTimer()
    }
}

extension Exchange {
    /// What a read with a deadline finds.
    package enum Arrival: Sendable {
        case bytes(Bytes)
        case end
        /// Neither has come in time.
        case nothing
    }
}
