// Settings of HTTP/2.
extension EngineTuning {
    /// Settings of HTTP/2.
    public struct HTTP2: Sendable, Hashable {
        /// The maximum number of streams per connection; the peer may allow fewer.
        ///
        /// Default 100.
        public var maxStreamsPerConnection = 100
        /// Whether a way on which HTTP/2 fails speaks HTTP/1.1 for 10 minutes.
        ///
        /// Two failures within 60 s are enough (`HTTP2Evidence` lists them), or one that proves it.
        /// Then one request tries HTTP/2 again. Requests that allow HTTP/2 alone are never moved.
        /// A way is an origin and its proxies, whatever their credentials. Default `true`.
        public var learnsBrokenRoutes = true
        /// Streams that a connection may open before the peer's SETTINGS arrive.
        ///
        /// From 1 to 100; default 1, which no peer refuses. Requests beyond it wait for the
        /// SETTINGS, not for another dial. A higher value saves a first burst one round trip, but
        /// exceeds the limit of a peer that allows fewer (RFC 9113, section 5.1.2): some peers then
        /// end the connection or leave the requests waiting. Further connections of a route start
        /// with the limit that the peer announced.
        public var streamsBeforeSettings = 1
        /// The maximum number of connections per route; another is made when all are full.
        ///
        /// Default 8.
        public var maxConnectionsPerHost = 8
        /// How long request bodies may wait for a connection's flow-control window before the route
        /// gets a further connection, within `maxConnectionsPerHost`; `nil` is off.
        ///
        /// A peer with a small window on a long path takes so much in each round trip, from all
        /// uploads of the connection together (RFC 9113, section 5.2). New requests then prefer
        /// connections on which no body waits. Default 50 ms.
        public var maxWindowWait: Duration? = .milliseconds(50)
        /// The initial receive window of a stream, in bytes.
        ///
        /// Default 256 KiB.
        public var streamWindow = 256 * 1024
        /// The largest receive window of a stream, in bytes.
        ///
        /// Default 4 MiB.
        public var maxStreamWindow = 4 * 1024 * 1024
        /// The receive window of a connection, in bytes.
        ///
        /// Default 16 MiB.
        public var connectionWindow = 16 * 1024 * 1024
        /// The silence on a connection with open streams after which a PING is sent; `nil` is off.
        ///
        /// Default 15 s.
        public var pingAfter: Duration? = .seconds(15)
        /// The time without an answer to a PING, or without the peer's SETTINGS on a new
        /// connection, after which it gets no new streams.
        ///
        /// Default 2 s.
        public var suspectAfter: Duration = .seconds(2)
        /// The time without an answer to a PING after which the connection is closed.
        ///
        /// Default 10 s.
        public var deadAfter: Duration = .seconds(10)
        /// The silence on a connection without streams after which a PING is sent; `nil`, the
        /// default, sends the PING together with the next request.
        public var idlePingAfter: Duration?
        /// How long the peer may take to acknowledge our SETTINGS (RFC 9113, section 6.5.3); `nil`
        /// is no limit.
        ///
        /// Default 30 s.
        public var settingsTimeout: Duration? = .seconds(30)
        /// How long output may wait while the peer accepts no byte of it; `nil` is no limit.
        ///
        /// After `suspectAfter` the connection gets no new streams. Default 30 s.
        public var writeTimeout: Duration? = .seconds(30)
        /// The bytes by which stream windows may exceed `streamWindow`, summed over all streams of
        /// the engine.
        ///
        /// Default 256 MiB.
        public var windowBudget = 256 * 1024 * 1024
        /// The number of a connection's first stream; tests set a high one to exhaust the numbers.
        package var firstStream: Int32 = 1

        /// Creates the default settings.
        public init() {}
    }
}
