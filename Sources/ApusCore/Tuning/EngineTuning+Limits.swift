// What a peer or a user can make us hold.
extension EngineTuning {
    /// Bounds on what a peer or a user can make us hold.
    public struct Limits: Sendable, Hashable {
        /// A response head or trailer section, in bytes.
        ///
        /// Default 64 KiB.
        public var headBytes = 64 * 1024
        /// Fields in a head or trailer section.
        ///
        /// Default 256.
        public var headFields = 256
        /// Informational (1xx) responses before the final one.
        ///
        /// Default 16.
        public var informationalResponses = 16
        /// Chunk extensions on one chunk line, in bytes.
        ///
        /// Default 4 KiB.
        public var chunkExtensionBytes = 4 * 1024
        /// Bytes received for a body that its consumer has not taken; then reading stops.
        ///
        /// Default 256 KiB.
        public var bodyBufferBytes = 256 * 1024
        /// Bytes written for an upload that the socket has not taken; then the producer waits.
        ///
        /// Default 256 KiB.
        public var uploadBufferBytes = 256 * 1024
        /// Unread body drained to save a connection.
        ///
        /// Default 64 KiB.
        public var drainBytes = 64 * 1024
        /// Times that one request may be sent again, where proven safe.
        ///
        /// Default 2. A request that has not left its connection moves to another one, up to 16
        /// times, which is not sending it again.
        public var replays = 2
        /// A failed CONNECT's body kept for the error, in bytes.
        ///
        /// Default 16 KiB.
        public var proxyErrorBodyBytes = 16 * 1024

        public init() {}
    }
}
