import ApusTransport

/// Threads that several engines share, so that many engines do not cost as many threads.
///
/// Given to each engine when it is made; there is no group that nobody made. The threads end when
/// the group and all of its engines are let go or shut down.
public final class EventLoopGroup: Sendable {
    let group: LoopGroup

    /// Starts the threads.
    ///
    /// - Throws: `InvalidTuning` unless `threads` is in 1...256, `TransportError` when the system
    ///   has no descriptor or thread left.
    public init(threads: Int = 1) throws {
        group = try LoopGroup(threads: threads)
    }
}
