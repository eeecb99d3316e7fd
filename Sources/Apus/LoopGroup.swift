import ApusEngine

/// Threads that several engines share, so that many engines need few threads.
///
/// It is passed to each engine when the engine is made; there is no default group. The threads end
/// when the group and its engines were released or shut down.
public final class LoopGroup: Sendable {
    let group: ApusEngine.LoopGroup

    /// Creates a group and starts its threads, one by default.
    ///
    /// - Parameters:
    ///   - threads: how many, from 1 to 256.
    ///   - wakeInterval: as `EngineTuning.wakeInterval`.
    /// - Throws: `InvalidTuning` unless `threads` is in 1...256 and `wakeInterval` at most 10 ms,
    ///   `TransportError` when the system has no descriptor or thread left.
    public init(
        threads: Int = 1, wakeInterval: Duration? = EngineTuning.default.wakeInterval
    ) throws {
        group = try ApusEngine.LoopGroup(threads: threads, wakeInterval: wakeInterval)
    }
}
