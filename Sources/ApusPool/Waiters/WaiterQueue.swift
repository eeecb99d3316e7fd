/// The callers who wait for a connection of one route, and which of them have a dial.
///
/// A dial in flight is matched with one waiter, who fails if it fails. A connection may serve
/// another waiter all the same; then the match moves, so that of the pooled waiters those without a
/// dial are always the youngest, and one index finds the next to dial for.
struct WaiterQueue: Sendable {
    /// Callers who take any connection, oldest first.
    ///
    /// Invariant: those with a dial come before those without.
    private(set) var pooled = IndexList()
    /// Callers who want a connection of their own and have no dial yet, oldest first.
    private(set) var own = IndexList()
    /// The oldest of `pooled` without a dial.
    private(set) var firstUndialled: Int?
    /// Callers of both kinds without a dial.
    private(set) var undialled = 0
    /// Callers of both kinds, with and without a dial.
    private(set) var count = 0

    /// Pooled callers who have a dial.
    var pooledWithDial: Int { pooled.count - (undialled - own.count) }

    /// Puts a caller at the end.
    mutating func append(_ waiter: Int, in table: inout WaiterTable) {
        count += 1
        undialled += 1
        if table[waiter].reuse == .pooled {
            table.links.pushBack(waiter, on: &pooled)
            if firstUndialled == nil { firstUndialled = waiter }
        } else {
            table.links.pushBack(waiter, on: &own)
        }
    }

    /// Takes a caller out, wherever it is in the queue, and frees its place in the table.
    ///
    /// - Returns: the dial that was matched with it, which has lost its waiter.
    mutating func remove(_ waiter: Int, from table: inout WaiterTable) -> Int? {
        let caller = table[waiter]
        count -= 1
        if caller.dial == nil { undialled -= 1 }
        if firstUndialled == waiter { firstUndialled = table.links.next(waiter) }
        if caller.reuse == .pooled {
            table.links.remove(waiter, from: &pooled)
        } else if caller.dial == nil {
            table.links.remove(waiter, from: &own)
        }
        table.remove(waiter)
        return caller.dial
    }

    /// Matches a dial with a caller without one: the first of the pooled ones, or any who wants its
    /// own.
    mutating func match(_ waiter: Int, with dial: Int, in table: inout WaiterTable) {
        undialled -= 1
        table.match(waiter, with: dial)
        if table[waiter].reuse == .pooled {
            firstUndialled = table.links.next(waiter)
        } else {
            table.links.remove(waiter, from: &own)
        }
    }

    /// A pooled caller has lost its dial, which is over.
    ///
    /// The youngest with a dial gives its own to that caller, if it is another.
    /// - Returns: the dial that was given, which depends on this caller from now on.
    mutating func unmatch(_ waiter: Int, in table: inout WaiterTable) -> Int? {
        let youngest =
            firstUndialled.map { table.links.previous($0) ?? waiter } ?? pooled.tail ?? waiter
        let given = youngest == waiter ? nil : table[youngest].dial
        if youngest != waiter { table.match(waiter, with: given) }
        table.match(youngest, with: nil)
        firstUndialled = youngest
        undialled += 1
        return given
    }
}
