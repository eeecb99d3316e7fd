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
        /// All of the above together; none of them may be raised above it.
        ///
        /// Default 10 s. It may be below their defaults, and ends them earlier then.
        public var connectTimeout: Duration? = .seconds(10)
        /// Pause before the next address is tried beside the last (RFC 8305, section 5).
        ///
        /// Default 250 ms.
        public var attemptDelay: Duration = .milliseconds(250)
        /// How long a name's IPv4 addresses wait for its IPv6 ones (RFC 8305, section 3).
        ///
        /// Default 50 ms; `nil` asks the system for both at once, and keeps its order.
        public var resolutionDelay: Duration? = .milliseconds(50)
        /// TCP keepalive: silence before the first probe and between probes; `nil` is off.
        ///
        /// Default 15 s.
        public var keepAlive: Duration? = .seconds(15)
        /// Unacknowledged data older than this ends the connection; `nil` is the system's own.
        ///
        /// A peer that is alive and reads nothing does not count: as long as its system answers the
        /// probes of its closed window, the upload waits for it. The end is a `timeout` in the
        /// phase `send`. Default 30 s.
        public var userTimeout: Duration? = .seconds(30)
        /// Bytes that wait unsent in the system's queue of a connection before the engine keeps the
        /// rest back (`TCP_NOTSENT_LOWAT`); `nil` is the system's own, mostly without a bound.
        ///
        /// What waits there goes out before anything that is sent later, so that small requests
        /// beside an upload on one HTTP/2 connection wait for it. Default 128 KiB.
        public var unsentBytes: Int? = 128 * 1024
        /// The literal address that connections start from; `nil` lets the system choose.
        public var localAddress: String? {
            get { localAddressText?.text }
            set { localAddressText = newValue.map { ExactText($0) } }
        }
        /// The interface that connections leave by, as in "eth0" (`SO_BINDTODEVICE`); `nil` lets
        /// the system choose.
        public var localInterface: String? {
            get { localInterfaceText?.text }
            set { localInterfaceText = newValue.map { ExactText($0) } }
        }
        /// Called with each TCP socket before it connects; `nil`, the default, calls nobody.
        public var beforeConnect: SocketHook?
        /// Where to connect instead of where a name leads, the first that fits counts.
        ///
        /// Default none.
        public var overrides: [Override] = []
        /// Threads that wait in the system's resolver, for each family and for both at once.
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
        /// How often the names of connected hosts are looked up again, to retire connections to
        /// addresses that they no longer have; `nil`, the default, is off.
        ///
        /// For names that answer with all of their addresses: one that answers with another few
        /// each time would cost good connections.
        public var addressCheck: Duration?

        private var localAddressText: ExactText?
        private var localInterfaceText: ExactText?

        public init() {}
    }
}

extension EngineTuning.Dial {
    /// Where to connect for a host, and perhaps a port, instead of asking for its name.
    ///
    /// The request, its `Host`, SNI and verification stay as they are. It counts for whatever name
    /// would be looked up, with a trailing dot or without: the origin's, or the proxy's.
    public struct Override: Sendable, Hashable {
        public var host: String {
            get { exactHost.text }
            set { exactHost = ExactText(newValue) }
        }
        /// `nil` is every port.
        public var port: UInt16?
        /// Raced like a name's own addresses; never empty.
        public var targets: [ConnectTarget]
        private var exactHost: ExactText

        public init(host: String, port: UInt16? = nil, to targets: [ConnectTarget]) {
            exactHost = ExactText(host)
            self.port = port
            self.targets = targets
        }

        /// Whether it says where this host and port are.
        package func covers(_ host: String, _ port: UInt16) -> Bool {
            exactHost == ExactText(Host.withoutDot(host)) && (self.port ?? port) == port
        }
    }
}
