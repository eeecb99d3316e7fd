// What is particular to HTTP/2.
extension EngineTuning {
    /// HTTP/2.
    public struct HTTP2: Sendable, Hashable {
        /// Streams per connection, at most what the peer allows.
        ///
        /// Default 100.
        public var maxStreamsPerConnection = 100
        /// Streams that a connection is given before its peer's SETTINGS have come.
        ///
        /// Default 1, which no peer refuses; 100 at most. Requests beyond it wait for the SETTINGS,
        /// not for another dial. More saves the rest of a first burst one round trip, and overruns
        /// a peer that allows fewer (RFC 9113, section 5.1.2): some end the connection then, or
        /// keep the requests waiting. Further connections of a route begin with what its peer said.
        public var streamsBeforeSettings = 1
        /// Connections per route that a full one may grow to.
        ///
        /// Default 8.
        public var maxConnectionsPerHost = 8
        /// A stream's receive window in bytes.
        ///
        /// Default 256 KiB.
        public var streamWindow = 256 * 1024
        /// What a stream's window may grow to.
        ///
        /// Default 4 MiB.
        public var maxStreamWindow = 4 * 1024 * 1024
        /// The connection's receive window in bytes.
        ///
        /// Default 16 MiB.
        public var connectionWindow = 16 * 1024 * 1024
        /// Silence, with streams open, before a PING; `nil` is off.
        ///
        /// Default 15 s.
        public var pingAfter: Duration? = .seconds(15)
        /// A PING unanswered this long, or a new connection without the peer's SETTINGS: no new
        /// streams.
        ///
        /// Default 2 s.
        public var suspectAfter: Duration = .seconds(2)
        /// A PING unanswered this long: the connection is dead.
        ///
        /// Default 10 s.
        public var deadAfter: Duration = .seconds(10)
        /// Silence on a connection without streams before a PING; `nil`, the default, asks nothing,
        /// and the connection is asked beside its next request.
        public var idlePingAfter: Duration?
        /// How long the peer may take to acknowledge our SETTINGS (RFC 9113, section 6.5.3); `nil`
        /// is off.
        ///
        /// Default 30 s.
        public var settingsTimeout: Duration? = .seconds(30)
        /// How long what is sent may wait without the peer taking a byte of it; `nil` is off.
        ///
        /// After `suspectAfter` of it the connection gets no new streams. Default 30 s.
        public var writeTimeout: Duration? = .seconds(30)
        /// Bytes that streams' windows may have grown by beyond `streamWindow`, all streams of an
        /// engine together; what is left over is for the next to grow.
        ///
        /// Default 256 MiB.
        public var windowBudget = 256 * 1024 * 1024
        /// The number of a connection's first stream; another than 1 shows what happens when the
        /// numbers run out.
        package var firstStream: Int32 = 1

        public init() {}
    }
}
