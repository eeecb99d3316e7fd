package import ApusCore
import ApusSocket
import Synchronization

/// What the steps of TLS handshakes took of their loops' threads, which do nothing else meanwhile.
///
/// It is time of the processor, so that a busy machine is no slow step.
package final class HandshakeMeter: Sendable {
    /// From this duration on a step is an event: it has delayed other connections of its loop.
    static let slowStep = Duration.milliseconds(100)

    private let total = Atomic<Int64>(0)
    private let longest = Atomic<Int64>(0)
    private let slow = Atomic<Int>(0)

    /// Counts a step.
    ///
    /// - Returns: whether it is to be reported as an event.
    func took(_ duration: Duration) -> Bool {
        let nanoseconds = duration.nanoseconds
        total.add(nanoseconds, ordering: .relaxed)
        longest.max(nanoseconds, ordering: .relaxed)
        guard duration >= Self.slowStep else { return false }
        slow.add(1, ordering: .relaxed)
        return true
    }

    /// Puts the figures where users read them.
    package func fill(_ counters: inout EngineSnapshot.Counters) {
        counters.handshakeSeconds = Double(total.load(ordering: .relaxed)) / 1e9
        counters.longestHandshakeStepSeconds = Double(longest.load(ordering: .relaxed)) / 1e9
        counters.slowHandshakeSteps = slow.load(ordering: .relaxed)
    }
}
