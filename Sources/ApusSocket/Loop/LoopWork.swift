/// What a loop has to run, first in, first out, cut into turns.
///
/// A turn holds what was there when it began. What is added while it runs is for the next one, so
/// that work which adds to itself never keeps the loop from its descriptors and timers.
struct LoopWork<Item> {
    private var turn: [Item] = []
    private var position = 0
    /// For the turns after this one.
    private var added: [Item] = []

    var isEmpty: Bool { isTurnOver && added.isEmpty }

    /// Whether all of the present turn has run.
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

    /// Begins a turn, or goes on with one that was cut short.
    mutating func beginTurn() {
        guard isTurnOver else { return }
        turn.removeAll(keepingCapacity: true)
        position = 0
        swap(&turn, &added)
    }

    /// The next item of this turn; `nil` at the turn's end.
    mutating func next() -> Item? {
        guard position < turn.count else {
            // Nothing that has run is held any longer.
            turn.removeAll(keepingCapacity: true)
            position = 0
            return nil
        }
        defer { position += 1 }
        return turn[position]
    }
}
