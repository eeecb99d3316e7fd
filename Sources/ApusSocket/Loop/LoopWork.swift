/// The jobs of a loop, first in, first out, divided into turns.
///
/// A turn holds the jobs that were queued when it began. Jobs added while it runs are for the next
/// turn, so that work that adds to itself never blocks descriptors and timers.
struct LoopWork<Item> {
    private var turn: [Item] = []
    private var position = 0
    /// Jobs for the turns after this one.
    private var added: [Item] = []

    var isEmpty: Bool { isTurnOver && added.isEmpty }

    /// Whether all jobs of the current turn have run.
    var isTurnOver: Bool { position == turn.count }

    mutating func append(_ item: Item) {
        added.append(item)
    }

    /// Adds all of `items`, which is then empty.
    mutating func append(taking items: inout [Item]) {
        if added.isEmpty {
            swap(&added, &items)
        } else {
            added.append(contentsOf: items)
            items.removeAll(keepingCapacity: true)
        }
    }

    /// Begins a turn, or continues one that was cut short.
    mutating func beginTurn() {
        guard isTurnOver else { return }
        turn.removeAll(keepingCapacity: true)
        position = 0
        swap(&turn, &added)
    }

    /// The next item of this turn; `nil` at the turn's end.
    mutating func next() -> Item? {
        guard position < turn.count else {
            // Releases what has run.
            turn.removeAll(keepingCapacity: true)
            position = 0
            return nil
        }
        defer { position += 1 }
        return turn[position]
    }
}
