/// Raising limits without overruling anybody who raised, lifted or shut them.
extension EngineTuning {
    /// A copy that keeps at least as many idle connections, for at least as long, as `floor` does.
    ///
    /// It only ever widens: a larger number stays, unlimited (`nil`) stays unlimited, and disabled
    /// (0) stays disabled, because both are somebody's decision. Only `pool.maxIdle`,
    /// `pool.maxIdlePerHost` and `pool.idleTimeout` are looked at; a cap on connections or a budget
    /// is never loosened.
    public func widened(atLeast floor: EngineTuning) -> EngineTuning {
        var tuning = self
        tuning.pool.maxIdle = widest(pool.maxIdle, floor.pool.maxIdle, off: 0)
        tuning.pool.maxIdlePerHost = widest(pool.maxIdlePerHost, floor.pool.maxIdlePerHost, off: 0)
        tuning.pool.idleTimeout = widest(pool.idleTimeout, floor.pool.idleTimeout, off: .zero)
        return tuning
    }
}

/// The wider of two limits, of which `nil` is the widest; `own` stays when it is `off`.
private func widest<Limit: Comparable>(_ own: Limit?, _ floor: Limit?, off: Limit) -> Limit? {
    guard let own, own != off, let floor else { return own == off ? own : nil }
    return max(own, floor)
}
