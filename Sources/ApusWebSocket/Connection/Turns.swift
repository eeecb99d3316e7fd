/// Who may write: one task at a time, in the order in which they asked.
///
/// It belongs to one actor, which resumes the continuations that it returns.
struct Turns {
    /// A task that waits for its turn.
    typealias Waiter = CheckedContinuation<Bool, Never>

    /// The most tasks that wait.
    static let maxWaiting = 1024

    private(set) var isTaken = false
    private var waiting: [(id: UInt64, waiter: Waiter)] = []
    private var lastID: UInt64 = 0

    /// Takes the turn if it is free.
    mutating func take() -> Bool {
        guard !isTaken else { return false }
        isTaken = true
        return true
    }

    /// How many tasks wait.
    var count: Int { waiting.count }

    /// The number for a task that is about to wait.
    mutating func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    /// Adds a task; it gets `true` with its turn.
    mutating func wait(_ waiter: Waiter, id: UInt64) {
        waiting.append((id, waiter))
    }

    /// Removes a task that waits no longer, which gets `false`; `nil` if its turn has come.
    mutating func giveUp(_ id: UInt64) -> Waiter? {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return nil }
        return waiting.remove(at: index).waiter
    }

    /// Ends the turn; the next task, if any, has it then.
    mutating func pass() -> Waiter? {
        guard !waiting.isEmpty else {
            isTaken = false
            return nil
        }
        return waiting.removeFirst().waiter
    }
}
