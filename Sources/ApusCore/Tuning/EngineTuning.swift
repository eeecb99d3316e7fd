/// Every number that an engine works by: one immutable value, given when the engine is made.
///
/// `nil` means off, and nothing else does. No field switches another off. Changing a copy moves
/// nobody else's numbers.
public struct EngineTuning: Sendable, Hashable {
    public var pool = Pool()
    public var dial = Dial()
    public var tls = TLS()
    public var http1 = HTTP1()
    public var http2 = HTTP2()
    public var limits = Limits()
    /// Threads that carry connections; each is one epoll loop.
    ///
    /// Default 1.
    public var eventLoops = 1

    public init() {}

    /// 100 idle connections in all, 2 per host, 90 s: what Go's standard transport does.
    public static let `default` = EngineTuning()

    /// 200 idle connections in all, 20 per host, 90 s: for a proxy's executors.
    public static let executor: EngineTuning = {
        var tuning = EngineTuning()
        tuning.pool.maxIdle = 200
        tuning.pool.maxIdlePerHost = 20
        return tuning
    }()
}
