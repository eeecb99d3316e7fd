package import ApusCore
import ApusSocket
import Synchronization

/// When each step of an exchange was reached, since its start.
///
/// The connection writes it, any thread reads it, so each instant is one atomic number; zero means
/// that the step has not been reached.
package struct ExchangeTimings: ~Copyable, Sendable {
    package let started: Deadline
    private let leasedAt: Int64
    private let sentAt = Atomic<Int64>(0)
    private let headAt = Atomic<Int64>(0)
    private let finishedAt = Atomic<Int64>(0)

    init(started: Deadline, leased: Deadline) {
        self.started = started
        leasedAt = leased.nanoseconds
    }

    func sent() { sentAt.store(Deadline.now().nanoseconds, ordering: .relaxed) }
    func headReceived() { headAt.store(Deadline.now().nanoseconds, ordering: .relaxed) }
    func finished() { finishedAt.store(Deadline.now().nanoseconds, ordering: .relaxed) }

    /// A connection was there.
    package var leasedAfter: Duration { .nanoseconds(leasedAt - started.nanoseconds) }
    /// The request's last byte was handed to the connection.
    package var sentAfter: Duration? { after(sentAt) }
    /// The final head had come.
    package var headAfter: Duration? { after(headAt) }
    /// The response was complete, or had failed.
    package var finishedAfter: Duration? { after(finishedAt) }

    private func after(_ instant: borrowing Atomic<Int64>) -> Duration? {
        let nanoseconds = instant.load(ordering: .relaxed)
        return nanoseconds == 0 ? nil : .nanoseconds(nanoseconds - started.nanoseconds)
    }
}
