// Raising limits without overriding explicit choices.
extension EngineTuning {
    /// A copy that keeps at least as many idle connections as `floor`, for at least as long.
    ///
    /// Values are never lowered: a larger number, unlimited (`nil`) and disabled (0) are kept,
    /// because they are explicit choices. Only `pool.maxIdle`, `pool.maxIdlePerHost` and
    /// `pool.idleTimeout` change; other limits and timeouts never do.
    public func widened(atLeast floor: EngineTuning) -> EngineTuning {
        var tuning = self
        tuning.pool.maxIdle = widest(pool.maxIdle, floor.pool.maxIdle, off: 0)
        tuning.pool.maxIdlePerHost = widest(pool.maxIdlePerHost, floor.pool.maxIdlePerHost, off: 0)
        tuning.pool.idleTimeout = widest(pool.idleTimeout, floor.pool.idleTimeout, off: .zero)
        return tuning
    }
}

/// The larger of two limits, where `nil` is the largest; `own` when it equals `off`.
private func widest<Limit: Comparable>(_ own: Limit?, _ floor: Limit?, off: Limit) -> Limit? {
    guard let own, own != off, let floor else { return own == off ? own : nil }
    return max(own, floor)
}
