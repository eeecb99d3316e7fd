// What getting a connection may cost.
extension EngineTuning {
    /// The budgets of getting a connection.
    public struct Dial: Sendable, Hashable {
        /// Finding addresses.
        ///
        /// Default 5 s.
        public var resolveTimeout: Duration? = .seconds(5)
        /// One TCP handshake, all addresses together.
        ///
        /// Default 5 s.
        public var tcpTimeout: Duration? = .seconds(5)
        /// One TLS handshake.
        ///
        /// Default 5 s.
        public var tlsTimeout: Duration? = .seconds(5)
        /// A proxy's CONNECT or SOCKS handshake.
        ///
        /// Default 5 s.
        public var proxyTimeout: Duration? = .seconds(5)
        /// All of the above together.
        ///
        /// Default 10 s.
        public var connectTimeout: Duration? = .seconds(10)
        /// Pause before the next address is tried beside the last (RFC 8305, section 5).
        ///
        /// Default 250 ms.
        public var attemptDelay: Duration = .milliseconds(250)
        /// TCP keepalive: silence before the first probe and between probes; `nil` is off.
        ///
        /// Default 15 s.
        public var keepAlive: Duration? = .seconds(15)
        /// Unacknowledged data older than this ends the connection; `nil` is the system's own.
        ///
        /// Default 30 s.
        public var userTimeout: Duration? = .seconds(30)
        /// The literal address that connections start from; `nil` lets the system choose.
        public var localAddress: String?
        /// Threads that wait in the system's resolver.
        ///
        /// Default 4.
        public var resolverThreads = 4
        /// Lookups waiting for such a thread; the next is refused.
        ///
        /// Default 1024.
        public var maxPendingLookups = 1024
        /// How long a name's addresses are kept; `nil` is off.
        ///
        /// Default 5 s.
        public var cacheTime: Duration? = .seconds(5)
        /// How long it is kept that a name does not exist; `nil` is off.
        ///
        /// Default 1 s.
        public var negativeCacheTime: Duration? = .seconds(1)
        /// Names kept at most.
        ///
        /// Default 1024.
        public var maxCachedNames = 1024

        public init() {}
    }
}
