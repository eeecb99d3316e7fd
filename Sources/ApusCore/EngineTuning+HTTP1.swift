// What is particular to HTTP/1.1.
extension EngineTuning {
    /// HTTP/1.1.
    public struct HTTP1: Sendable, Hashable {
        /// How long `Expect: 100-continue` waits before the body is sent all the same.
        ///
        /// Default 1 s.
        public var continueTimeout: Duration = .seconds(1)
        /// Taken off a server's `Keep-Alive: timeout`, so that we close first.
        ///
        /// Default 1 s.
        public var keepAliveMargin: Duration = .seconds(1)

        public init() {}
    }
}
