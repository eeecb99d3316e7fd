/// Everybody who waits, over all routes; which queue they stand in is the route's matter.
struct WaiterTable: Sendable {
    /// One caller.
    struct Waiter: Sendable {
        var generation: UInt64 = 1
        var isWaiting = false
        var route = IndexLinks.none
        var reuse = Reuse.pooled
        /// Whether the caller waits for the pause after a failed dial to end.
        var isPatient = false
        /// The connection that is being made for this caller; `none` before that.
        var dial = IndexLinks.none
        /// Tells who came first.
        var arrival: UInt64 = 0
    }

    private var waiters: [Waiter] = []
    private var vacant: [Int] = []
    /// How many have come so far.
    private(set) var arrivals: UInt64 = 0
    /// The links of the routes' queues.
    var links = IndexLinks()
    private(set) var count = 0

    subscript(index: Int) -> Waiter {
        get { waiters[index] }
        set { waiters[index] = newValue }
    }

    mutating func add(_ reuse: Reuse, isPatient: Bool, route: Int) -> Int {
        let index = vacant.popLast() ?? waiters.count
        if index == waiters.count {
            waiters.append(Waiter())
            links.grow()
        }
        arrivals += 1
        count += 1
        waiters[index].isWaiting = true
        waiters[index].route = route
        waiters[index].reuse = reuse
        waiters[index].isPatient = isPatient
        waiters[index].dial = IndexLinks.none
        waiters[index].arrival = arrivals
        return index
    }

    mutating func remove(_ index: Int) {
        count -= 1
        waiters[index].isWaiting = false
        waiters[index].generation += 1
        vacant.append(index)
    }

    func id(_ index: Int) -> WaiterID {
        WaiterID(slot: index, generation: waiters[index].generation)
    }

    /// The slot of a caller who still waits.
    func find(_ id: WaiterID) -> Int? {
        let index = id.slot
        guard index < waiters.count, waiters[index].generation == id.generation else { return nil }
        return index
    }

    /// Every slot in use; for shutting down.
    var all: [Int] { waiters.indices.filter { waiters[$0].isWaiting } }
}
