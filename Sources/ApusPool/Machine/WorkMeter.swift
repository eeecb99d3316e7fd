/// Counts the pool's elementary steps in debug builds; in release builds it is nothing.
///
/// So a test can show whether a step's work grows with the pool.
package struct WorkMeter: Sendable {
    #if DEBUG
        /// Steps so far.
        package private(set) var count = 0
    #endif

    mutating func add() {
        #if DEBUG
            count += 1
        #endif
    }
}

#if DEBUG
    extension PoolMachine {
        /// Elementary steps so far: links changed, entries of the heap moved, rounds of loops.
        package var workDone: Int {
            meter.count + routeLinks.meter.count + idleLinks.meter.count
                + waiters.links.meter.count + timers.meter.count + backoffs.meter.count
                + hedges.meter.count + caps.meter.count
        }
    }
#endif
