// What is particular to HTTP/2.
extension EngineTuning {
    /// HTTP/2.
    public struct HTTP2: Sendable, Hashable {
        /// Streams per connection, at most what the peer allows.
        ///
        /// Default 100.
        public var maxStreamsPerConnection = 100
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
        /// A PING unanswered this long: no new streams.
        ///
        /// Default 2 s.
        public var suspectAfter: Duration = .seconds(2)
        /// A PING unanswered this long: the connection is dead.
        ///
        /// Default 10 s.
        public var deadAfter: Duration = .seconds(10)
        /// The number of a connection's first stream; another than 1 shows what happens when the
        /// numbers run out.
        package var firstStream: Int32 = 1

        public init() {}
    }
}
