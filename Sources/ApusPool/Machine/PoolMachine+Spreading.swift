import ApusCore

/// How a route spreads its exchanges over several connections for many exchanges each, and shrinks
/// to fewer.
///
/// A route grows when every connection is full. It shrinks when half of them would do: the oldest
/// connections that together could carry twice what there is are enough, and the others get nothing
/// new, become idle, and are closed when their idle time is over. Between the two lies enough room
/// that a load which swings moves nothing.
///
/// A route also grows, by one connection at a time, when the peers of all its connections take less
/// than the exchanges have to send, or when each carries `http2.preferredStreamsPerConnection`; an
/// exchange goes to a connection where that is not so, if there is one.
extension PoolMachine {
    /// Of the connections that are enough, the one that carries least; of those, the oldest.
    mutating func leastLoadedOfEnough(_ route: Int) -> Int? {
        let candidates = withRoom(route)
        let carried = candidates.reduce(0) { $0 + $1.exchanges }
        var (best, capacity) = (candidates.first, 0)
        for candidate in candidates {
            guard let found = best, capacity < 2 * (carried + 1) else { break }
            capacity += min(candidate.capacity, 1 << 32)
            if candidate.load < found.load { best = candidate }
        }
        return best?.slot
    }
}
