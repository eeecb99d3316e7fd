import ApusHTTP2
import Synchronization

/// The bytes by which the windows of all h2 streams of one engine may grow together.
package final class EngineWindowBudget: WindowBudget {
    private let left: Atomic<Int>

    package init(_ bytes: Int) {
        left = Atomic(bytes)
    }

    /// What is not taken now.
    package var available: Int { left.load(ordering: .relaxed) }

    package func take(upTo wanted: Int) -> Int {
        var known = left.load(ordering: .relaxed)
        while true {
            let taken = min(wanted, known)
            guard taken > 0 else { return 0 }
            let result = left.compareExchange(
                expected: known, desired: known - taken, ordering: .relaxed)
            guard !result.exchanged else { return taken }
            known = result.original
        }
    }

    package func giveBack(_ count: Int) {
        left.add(count, ordering: .relaxed)
    }
}
