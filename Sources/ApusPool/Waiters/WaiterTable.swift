/// Every caller who waits for a connection, over all routes; the order is in each `WaiterQueue`.
struct WaiterTable: Sendable {
    /// One caller.
    struct Waiter: Sendable {
        let route: Int
        let reuse: Reuse
        /// Whether the caller waits for the pause after a failed dial to end.
        let isPatient: Bool
        /// Counts callers in the order in which they came, from 1.
        let arrival: UInt64
        /// The slot of the dial that is matched with this caller; `nil` before that.
        var dial: Int?
    }

    /// A place in the table, used by one caller after another.
    private struct Place {
        /// Distinguishes those callers.
        var generation: UInt64 = 1
        var waiter: Waiter?
    }

    private var places: [Place] = []
    private var vacant: [Int] = []
    /// How many have come so far.
    private(set) var arrivals: UInt64 = 0
    /// The links of the routes' queues.
    var links = IndexLinks()
    private(set) var count = 0

    /// The caller in a place that is in use.
    subscript(index: Int) -> Waiter {
        guard let waiter = places[index].waiter else {
            preconditionFailure("no caller waits in place \(index)")
        }
        return waiter
    }

    /// Enters a caller, who is in no queue yet.
    mutating func add(_ reuse: Reuse, isPatient: Bool, route: Int) -> Int {
        let index = vacant.popLast() ?? places.count
        if index == places.count {
            places.append(Place())
            links.grow()
        }
        arrivals += 1
        count += 1
        places[index].waiter = Waiter(
            route: route, reuse: reuse, isPatient: isPatient, arrival: arrivals)
        return index
    }

    /// Sets the dial that is matched with a caller.
    mutating func match(_ index: Int, with dial: Int?) {
        places[index].waiter?.dial = dial
    }

    /// Frees the place of a caller who is in no queue any more.
    mutating func remove(_ index: Int) {
        count -= 1
        places[index].waiter = nil
        places[index].generation += 1
        vacant.append(index)
    }

    /// The name of the caller in a place that is in use.
    func id(_ index: Int) -> WaiterID {
        WaiterID(slot: index, generation: places[index].generation)
    }

    /// The place of a caller who still waits; `nil` when the caller has left.
    func find(_ id: WaiterID) -> Int? {
        let index = id.slot
        guard index < places.count, places[index].generation == id.generation else { return nil }
        return index
    }

    /// Every place in use; for shutting down.
    var all: [Int] { places.indices.filter { places[$0].waiter != nil } }
}
