/// Every setting of an engine: one value, passed when the engine is made.
///
/// `nil` means off or unlimited, and no other value does. No field switches another off. Changing a
/// copy never changes an engine.
public struct EngineTuning: Sendable, Hashable {
    /// Limits and lifetimes of pooled connections.
    public var pool = Pool()
    /// Timeouts and options of connecting.
    public var dial = Dial()
    /// TLS settings for origins.
    public var tls = TLS()
    /// Settings of HTTP/1.1.
    public var http1 = HTTP1()
    /// Settings of HTTP/2.
    public var http2 = HTTP2()
    /// Limits on what a peer or a caller can make the engine hold.
    public var limits = Limits()
    /// The number of threads that carry connections, each with one epoll loop, from 1 to 256.
    ///
    /// Default 1.
    public var eventLoops = 1
    /// The least time between two wake-ups of an event loop that carries 16 exchanges or more, at
    /// most 10 ms.
    ///
    /// What arrives meanwhile is handled together, which takes less CPU time for each piece, here
    /// and on the peer's side, and delays a piece by at most this. Default 100 µs; `nil` has the
    /// loop wake up for each arrival.
    public var wakeInterval: Duration? = .microseconds(100)

    /// Creates the default settings, which are those of `default`.
    public init() {}

    /// The defaults: 100 idle connections in all, 2 per host, for 90 s, as in Go's standard
    /// transport.
    public static let `default` = EngineTuning()

    /// Settings for a proxy's executors: 200 idle connections in all, 20 per host, for 90 s.
    public static let executor: EngineTuning = {
        var tuning = EngineTuning()
        tuning.pool.maxIdle = 200
        tuning.pool.maxIdlePerHost = 20
        return tuning
    }()
}
