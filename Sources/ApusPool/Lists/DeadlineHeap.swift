/// The slot that is due next: a binary heap with at most one entry per slot.
///
/// An entry may be earlier than its slot's true deadline, never later: each exchange moves a
/// connection's deadline later, without a change of the heap. The caller that takes an entry out
/// checks the slot, and enters it again when it is not due. So the common step changes nothing
/// here.
struct DeadlineHeap: Sendable {
    private struct Entry {
        var deadline: Int64
        var slot: Int
    }

    private static let absent = -1
    private(set) var meter = WorkMeter()
    private var entries: [Entry] = []
    /// Where each slot's entry is.
    ///
    /// Invariant: `entries[positions[slot]].slot == slot`, or the slot has none.
    private var positions: [Int] = []

    var count: Int { entries.count }
    /// The earliest entry's time in nanoseconds.
    var first: Int64? { entries.first?.deadline }

    /// Makes room for one more slot.
    mutating func grow() { positions.append(DeadlineHeap.absent) }

    /// Makes the slot due at `deadline` or before.
    mutating func schedule(_ slot: Int, by deadline: Int64) {
        meter.add()
        let position = positions[slot]
        if position == DeadlineHeap.absent {
            entries.append(Entry(deadline: deadline, slot: slot))
            positions[slot] = entries.count - 1
            moveUp(entries.count - 1)
        } else if deadline < entries[position].deadline {
            entries[position].deadline = deadline
            moveUp(position)
        }
    }

    /// Takes out the slot with the earliest entry, if that is not after `now`.
    mutating func popDue(_ now: Int64) -> Int? {
        guard let first = entries.first, first.deadline <= now else { return nil }
        remove(first.slot)
        return first.slot
    }

    /// Forgets a slot.
    mutating func remove(_ slot: Int) {
        meter.add()
        let position = positions[slot]
        guard position != DeadlineHeap.absent else { return }
        positions[slot] = DeadlineHeap.absent
        let last = entries.removeLast()
        guard position < entries.count else { return }
        entries[position] = last
        positions[last.slot] = position
        moveUp(position)
        moveDown(positions[last.slot])
    }

    private mutating func moveUp(_ start: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard entries[position].deadline < entries[parent].deadline else { return }
            exchange(position, parent)
            position = parent
        }
    }

    private mutating func moveDown(_ start: Int) {
        var position = start
        while true {
            var least = position
            for child in [2 * position + 1, 2 * position + 2]
            where child < entries.count && entries[child].deadline < entries[least].deadline {
                least = child
            }
            guard least != position else { return }
            exchange(position, least)
            position = least
        }
    }

    private mutating func exchange(_ left: Int, _ right: Int) {
        meter.add()
        entries.swapAt(left, right)
        positions[entries[left].slot] = left
        positions[entries[right].slot] = right
    }
}
