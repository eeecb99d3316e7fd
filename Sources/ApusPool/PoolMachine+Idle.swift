package import ApusCore

/// What concerns the idle connections alone.
extension PoolMachine {
    /// Closes every idle connection; those in use are not touched, and the pool goes on.
    package mutating func evictAllIdle(now: Deadline) -> PoolActions {
        var actions = PoolActions()
        while let oldest = idle.tail {
            let route = slots[oldest].route
            close(oldest, .evicted, &actions)
            tidy(route, now.nanoseconds, &actions)
        }
        return actions
    }
}
