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
        /// Whether the PINGs of later connections follow what a way's connections have met.
        ///
        /// A peer that ends a connection with `too_many_pings` gets them half as often, down to one
        /// in 10 minutes. Where two connections with open exchanges were cut after about the same
        /// silence in both directions, later ones send PINGs at 60 % of it, once a second at most.
        /// The times of PINGs make `deadAfter` longer. All of it is forgotten 6 hours after the
        /// last sign. A way is an origin and its proxies, whatever their credentials. Default
        /// `true`.
        public var learnsPings = true
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
        /// The streams of a connection from which the route gets a further connection and the next
        /// streams prefer it, within `maxConnectionsPerHost`; `nil`, the default, fills connections
        /// up to `maxStreamsPerConnection` first.
        ///
        /// The loss of a connection ends all its streams: with 10 of them at a time, no more than
        /// 10, as long as the route may have another connection. No request waits for such a
        /// connection.
        public var preferredStreamsPerConnection: Int?
        /// How long request bodies may wait for a connection's flow-control window before the route
        /// gets a further connection, within `maxConnectionsPerHost`; `nil` is off.
        ///
        /// A peer with a small window on a long path takes so much in each round trip, from all
        /// uploads of the connection together (RFC 9113, section 5.2). New requests then prefer
        /// connections on which no body waits. Default 50 ms.
        public var maxWindowWait: Duration? = .milliseconds(50)
        /// Whether large bodies go over HTTP/1.1 on a way where bodies have waited for
        /// `maxWindowWait`.
        ///
        /// That is for 10 minutes, for bodies whose length is known and 16 of the peer's stream
        /// windows or more (1 MiB where the window is 64 KiB), and for requests that leave the
        /// version open: over HTTP/1.1 TCP's own window grows. A way is an origin and its proxies,
        /// whatever their credentials. Default `true`.
        public var movesLargeUploads = true
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
        /// The time without an answer to a PING after which the connection is closed, at least.
        ///
        /// It is four times what PINGs took on the connection and on others of its way, where that
        /// is more, up to six times this value. Where no PING was ever acknowledged and the peer's
        /// system takes what is sent, one unanswered PING closes no connection; it gets no new
        /// streams. Default 10 s.
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
