// Limits on what a peer or a caller can make the engine hold.
extension EngineTuning {
    /// Limits on what a peer or a caller can make the engine hold.
    public struct Limits: Sendable, Hashable {
        /// The size of a response head or trailer section, in bytes.
        ///
        /// Default 64 KiB.
        public var headBytes = 64 * 1024
        /// The number of fields in a head or trailer section.
        ///
        /// Default 256.
        public var headFields = 256
        /// The number of informational (1xx) responses before the final one.
        ///
        /// Default 16.
        public var informationalResponses = 16
        /// The size of the chunk extensions on one chunk line, in bytes.
        ///
        /// Default 4 KiB.
        public var chunkExtensionBytes = 4 * 1024
        /// Received body bytes that the consumer has not read, above which reading stops.
        ///
        /// Default 256 KiB.
        public var bodyBufferBytes = 256 * 1024
        /// Upload bytes that the socket has not accepted, above which the producer waits.
        ///
        /// Default 256 KiB.
        public var uploadBufferBytes = 256 * 1024
        /// Unread body bytes that are drained so that the connection can be used again.
        ///
        /// Default 64 KiB.
        public var drainBytes = 64 * 1024
        /// How many times one request may be sent again, where that is safe.
        ///
        /// Default 2. A request that was not sent yet moves to another connection, up to 16 times;
        /// that does not count.
        public var replays = 2
        /// Body bytes of a refused CONNECT that are kept for the error.
        ///
        /// Default 16 KiB.
        public var proxyErrorBodyBytes = 16 * 1024

        /// Creates the default limits.
        public init() {}
    }
}
