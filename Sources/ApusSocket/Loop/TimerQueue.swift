package import ApusCore

/// An action at an instant; the caller keeps it in order to cancel it.
package final class LoopTimer {
    package let deadline: Deadline
    /// Released when the timer fires or is cancelled, so that it keeps nothing alive.
    fileprivate var action: (() -> Void)?
    /// The timer's index in the heap; negative when it is not queued.
    fileprivate var index = -1

    init(deadline: Deadline, action: @escaping () -> Void) {
        self.deadline = deadline
        self.action = action
    }
}

/// A binary heap of timers, the earliest first; adding and cancelling take O(log n).
struct TimerQueue {
    private var heap: [LoopTimer] = []

    var nextDeadline: Deadline? { heap.first?.deadline }
    var count: Int { heap.count }

    mutating func add(_ timer: LoopTimer) {
        heap.append(timer)
        timer.index = heap.count - 1
        siftUp(from: heap.count - 1)
    }

    /// Removes a timer; does nothing when it has fired or was cancelled before.
    mutating func cancel(_ timer: LoopTimer) {
        timer.action = nil
        guard timer.index >= 0 else { return }
        remove(at: timer.index)
    }

    /// Removes the earliest due timer and returns its action.
    mutating func nextAction(now: Deadline) -> (() -> Void)? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        remove(at: 0)
        defer { first.action = nil }
        return first.action
    }

    private mutating func remove(at index: Int) {
        let last = heap.count - 1
        swap(index, last)
        heap.removeLast().index = -1
        guard index < heap.count else { return }
        siftUp(from: index)
        siftDown(from: index)
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].deadline < heap[parent].deadline else { return }
            swap(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var earliest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].deadline < heap[earliest].deadline { earliest = child }
            }
            guard earliest != parent else { return }
            swap(parent, earliest)
            parent = earliest
        }
    }

    private mutating func swap(_ left: Int, _ right: Int) {
        guard left != right else { return }
        heap.swapAt(left, right)
        heap[left].index = left
        heap[right].index = right
    }
}
