import ApusCore
import ApusSocket

/// How an engine ends: begun once, by `shutDown` or by being dropped, and over once.
///
/// A later caller waits for the same end, and may bring the cut forward.
/// Unchecked, because what is under "guarded" is touched only with the lock held.
final class EngineEnding: @unchecked Sendable {
    /// How far the end has come.
    private enum State {
        /// The engine lives.
        ///
        /// Exits: `.draining`.
        case none
        /// Exchanges in flight finish or are cut; the waiting callers are resumed after the last.
        ///
        /// Exits: `.over`.
        case draining([UnsafeContinuation<Void, Never>])
        /// Nothing is left.
        ///
        /// Exits: none.
        case over
    }

    private let lock = Lock()
    // Guarded.
    private var state = State.none
    /// When the drain is cut off, and what sees to that.
    private var deadline: Deadline?
    private var cut: [String]?

    /// Begins the end; `false` when that was done before.
    func begin() -> Bool {
        lock.withLock {
            guard case .none = state else { return false }
            unsafe state = .draining([])
            return true
        }
    }

    /// Whether a cut is still to be made at this instant, as no caller asked for an earlier one.
    func bringForward(to deadline: Deadline) -> Bool {
        lock.withLock {
            if case .over = state { return false }
            if let earlier = self.deadline, earlier <= deadline { return false }
            self.deadline = deadline
            return true
        }
    }

    /// Notes what was cut; the first cut is the one that counts.
    func wasCut(_ lines: [String]) {
        lock.withLock { if cut == nil { cut = lines } }
    }

    /// Resumes every caller that waits.
    ///
    /// - Returns: the lines of the cut, if there was one.
    func finish() -> [String] {
        let (waiters, cut) = lock.withLock {
            () -> ([UnsafeContinuation<Void, Never>], [String]) in
            defer { state = .over }
            guard case .draining(let waiters) = state else { return ([], []) }
            return unsafe (waiters, self.cut ?? [])
        }
        for index in unsafe waiters.indices { unsafe waiters[index].resume() }
        return cut
    }

    /// Waits until the end that another caller began is over.
    func wait() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isOver = lock.withLock {
                guard case .draining(let waiters) = state else { return true }
                unsafe state = .draining(waiters + [continuation])
                return false
            }
            if isOver { unsafe continuation.resume() }
        }
    }
}
