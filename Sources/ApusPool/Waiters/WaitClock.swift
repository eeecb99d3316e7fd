package import ApusCore

/// When one caller has waited long enough for a connection, and in which phase.
///
/// Two clocks run in turn. The queue's clock (`pool.acquireTimeout`) runs while the caller waits
/// for another caller's connection, or until a dial may start. The dial's clock runs while a
/// connection is being made for the caller, alone or with others: the dial has its own budgets, so
/// the queue's clock neither ends a dial nor hides its error; only the request may allow less. The
/// request's own deadlines apply to both.
package struct WaitClock: Sendable {
    /// A dial that a caller waits for.
    package struct Dial: Sendable {
        /// When it began; `nil` when it is not known which of several will serve the caller.
        package let began: Deadline?

        package init(began: Deadline?) {
            self.began = began
        }
    }

    /// Whether a wait goes on.
    package enum Verdict: Sendable, Equatable {
        /// It goes on, and is looked at again at `next`, unless something happens before.
        ///
        /// When it is overdue, the queue's time is over while a dial goes on: it is to be looked at
        /// as soon as that dial has ended.
        case lasts(next: Deadline?, isOverdue: Bool)
        /// It is over: the time for this phase has run out.
        case over(TransportError.Phase)
    }

    private let started: Deadline
    private let acquireTimeout: Duration?
    private let connectTimeout: Duration?
    private let whole: (deadline: Deadline, phase: TransportError.Phase)?

    /// - Parameters:
    ///   - started: when the wait began.
    ///   - acquireTimeout: for the queue; `nil` is for ever.
    ///   - connectTimeout: the request's patience with a dial; `nil` is the dial's own budgets.
    ///   - whole: the first of the request's deadlines, and which it is.
    package init(
        started: Deadline, acquireTimeout: Duration?, connectTimeout: Duration?,
        whole: (deadline: Deadline, phase: TransportError.Phase)?
    ) {
        self.started = started
        self.acquireTimeout = acquireTimeout
        self.connectTimeout = connectTimeout
        self.whole = whole
    }

    /// When the wait is to be looked at first; `nil` when it may last for ever.
    package var firstLook: Deadline? {
        [acquireTimeout, connectTimeout].compactMap { $0 }.map { started.advanced(by: $0) }
            .reduce(whole?.deadline) { earlier($0, $1) }
    }

    /// - Parameter dial: what is being dialled for the caller; `nil` when nothing is.
    package func look(now: Deadline, dial: Dial?) -> Verdict {
        if let whole, whole.deadline <= now { return .over(whole.phase) }
        let queueEnd = acquireTimeout.map { started.advanced(by: $0) }
        var next = whole?.deadline
        var isOverdue = false
        if let queueEnd {
            if now < queueEnd {
                next = earlier(next, queueEnd)
            } else if dial == nil {
                return .over(.pool)
            } else {
                isOverdue = true
            }
        }
        if let connectTimeout {
            // A dial that begins after this look is looked at in time all the same.
            let began = dial.map { max(started, $0.began ?? started) } ?? now
            let end = began.advanced(by: connectTimeout)
            if dial != nil, end <= now { return .over(.connect) }
            next = earlier(next, end)
        }
        return .lasts(next: next, isOverdue: isOverdue)
    }

    private func earlier(_ left: Deadline?, _ right: Deadline) -> Deadline {
        left.map { min($0, right) } ?? right
    }
}
