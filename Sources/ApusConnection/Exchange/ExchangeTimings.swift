package import ApusCore
import ApusSocket
import Synchronization

/// When each step of an exchange was reached, since its start.
///
/// The connection writes it, any thread reads it, so each instant is one atomic number; zero means
/// that the step has not been reached.
package struct ExchangeTimings: ~Copyable, Sendable {
    package let started: Deadline
    private let leased: Deadline
    private let sentInstant = Atomic<Int64>(0)
    private let headInstant = Atomic<Int64>(0)
    private let firstByteInstant = Atomic<Int64>(0)
    private let finishedInstant = Atomic<Int64>(0)

    init(started: Deadline, leased: Deadline) {
        self.started = started
        self.leased = leased
    }

    func sent() { sentInstant.store(Deadline.now().nanoseconds, ordering: .relaxed) }
    func headReceived(at now: Deadline) { headInstant.store(now.nanoseconds, ordering: .relaxed) }
    func firstByteReceived(at now: Deadline) {
        firstByteInstant.store(now.nanoseconds, ordering: .relaxed)
    }
    func finished(at now: Deadline) { finishedInstant.store(now.nanoseconds, ordering: .relaxed) }

    var sentAt: Deadline? { deadline(sentInstant) }
    var headAt: Deadline? { deadline(headInstant) }
    var firstByteAt: Deadline? { deadline(firstByteInstant) }

    /// A connection was there.
    package var leasedAfter: Duration { leased.since(started) }
    /// The request's last byte was handed to the connection.
    package var sentAfter: Duration? { after(sentInstant) }
    /// The final head had come.
    package var headAfter: Duration? { after(headInstant) }
    /// The first bytes of the body had come.
    package var firstByteAfter: Duration? { after(firstByteInstant) }
    /// The response was complete, or had failed.
    package var finishedAfter: Duration? { after(finishedInstant) }

    private func deadline(_ instant: borrowing Atomic<Int64>) -> Deadline? {
        let nanoseconds = instant.load(ordering: .relaxed)
        return nanoseconds == 0 ? nil : Deadline(nanoseconds: nanoseconds)
    }

    private func after(_ instant: borrowing Atomic<Int64>) -> Duration? {
        deadline(instant)?.since(started)
    }
}
