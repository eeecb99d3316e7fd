// Timeouts and options of connecting.
extension EngineTuning {
    /// Timeouts and options of connecting; `nil` turns a timeout off.
    public struct Dial: Sendable, Hashable {
        /// The timeout for resolving the host's name.
        ///
        /// Default 5 s.
        public var resolveTimeout: Duration? = .seconds(5)
        /// The timeout for connecting TCP, all addresses together.
        ///
        /// Default 5 s.
        public var tcpTimeout: Duration? = .seconds(5)
        /// The timeout for one TLS handshake.
        ///
        /// Default 5 s.
        public var tlsTimeout: Duration? = .seconds(5)
        /// The timeout for one CONNECT or SOCKS handshake with a proxy.
        ///
        /// Default 5 s.
        public var proxyTimeout: Duration? = .seconds(5)
        /// The timeout for a whole dial; the timeouts above must not be raised above it.
        ///
        /// Default 10 s. A value below their defaults ends those steps earlier.
        public var connectTimeout: Duration? = .seconds(10)
        /// The delay before the next address is tried in parallel (RFC 8305, section 5).
        ///
        /// Default 250 ms.
        public var attemptDelay: Duration = .milliseconds(250)
        /// How long the IPv4 addresses of a name wait for its IPv6 addresses (RFC 8305, section 3).
        ///
        /// Default 50 ms; `nil` asks the system for both at once and keeps its order.
        public var resolutionDelay: Duration? = .milliseconds(50)
        /// TCP keepalive: the silence before the first probe and between probes; `nil` is off.
        ///
        /// Default 15 s.
        public var keepAlive: Duration? = .seconds(15)
        /// The age of unacknowledged data at which a connection ends (`TCP_USER_TIMEOUT`); `nil`
        /// uses the system's value.
        ///
        /// A live peer that reads nothing is exempt: the upload waits while the peer's system
        /// answers window probes. The error is a `timeout` in phase `send`. Default 30 s.
        public var userTimeout: Duration? = .seconds(30)
        /// Unsent bytes in the system's queue of a connection, above which the engine holds further
        /// bytes back (`TCP_NOTSENT_LOWAT`); `nil` uses the system's value, which is usually
        /// unlimited.
        ///
        /// Bytes in that queue are sent before anything later, so small requests wait for them when
        /// an upload shares their HTTP/2 connection. From 4 KiB to 1 GiB; default 128 KiB.
        public var unsentBytes: Int? = 128 * 1024
        /// The local address that connections start from, as a literal; `nil`, the default, lets
        /// the system choose.
        public var localAddress: String? {
            get { localAddressText?.text }
            set { localAddressText = newValue.map { ExactText($0) } }
        }
        /// The interface that connections use, as in "eth0" (`SO_BINDTODEVICE`); `nil`, the
        /// default, lets the system choose.
        public var localInterface: String? {
            get { localInterfaceText?.text }
            set { localInterfaceText = newValue.map { ExactText($0) } }
        }
        /// A hook called with each TCP socket before it connects; `nil` by default.
        public var beforeConnect: SocketHook?
        /// Addresses that replace name resolution for some hosts; the first match counts.
        ///
        /// Default: none.
        public var overrides: [Override] = []
        /// Threads that call the system's resolver, each for IPv4, for IPv6 and for both at once.
        ///
        /// From 1 to 64; default 4.
        public var resolverThreads = 4
        /// Lookups that may wait for such a thread; further ones are refused.
        ///
        /// Default 1024.
        public var maxPendingLookups = 1024
        /// How long the addresses of a name are cached; `nil` turns caching off.
        ///
        /// Default 5 s.
        public var cacheTime: Duration? = .seconds(5)
        /// How much longer the addresses of a name serve while lookups of it fail for the moment;
        /// `nil` turns that off.
        ///
        /// It begins at the end of `cacheTime`. Each use is reported as
        /// `EngineEvent.staleAddressesUsed`; that a name does not exist is no such failure.
        ///
        /// Default 5 min.
        public var staleCacheTime: Duration? = .seconds(300)
        /// How long the absence of a name is cached; `nil` turns that off.
        ///
        /// Default 1 s.
        public var negativeCacheTime: Duration? = .seconds(1)
        /// The maximum number of cached names.
        ///
        /// Default 1024.
        public var maxCachedNames = 1024
        /// How often the names of connected hosts are resolved again, to retire connections to
        /// addresses that they no longer have; `nil`, the default, is off.
        ///
        /// Use it only where a name resolves to all of its addresses: with a varying subset, good
        /// connections would be retired.
        public var addressCheck: Duration?
        /// Whether connections end when their local address is removed from this system.
        ///
        /// Default `true`. The engine hears of it by netlink; where that is not permitted, the
        /// option has no effect.
        public var watchesLocalAddresses = true

        private var localAddressText: ExactText?
        private var localInterfaceText: ExactText?

        /// Creates the default settings.
        public init() {}
    }
}

extension EngineTuning.Dial {
    /// Where to connect for a host, and perhaps a port, instead of resolving its name.
    ///
    /// The request, its `Host`, SNI and verification are not changed. It applies to every name that
    /// would be resolved, of an origin or a proxy, with or without a trailing dot.
    public struct Override: Sendable, Hashable {
        /// The host, in lower case and without a trailing dot.
        public var host: String {
            get { exactHost.text }
            set { exactHost = ExactText(newValue) }
        }
        /// The port; `nil` matches every port.
        public var port: UInt16?
        /// Where to connect, raced like a name's own addresses; never empty.
        public var targets: [ConnectTarget]
        private var exactHost: ExactText

        /// Creates an override for one port, or for every port by default.
        public init(host: String, port: UInt16? = nil, to targets: [ConnectTarget]) {
            exactHost = ExactText(host)
            self.port = port
            self.targets = targets
        }

        /// Whether it applies to a host and port.
        package func covers(_ host: String, _ port: UInt16) -> Bool {
            exactHost == ExactText(Host.withoutDot(host)) && (self.port ?? port) == port
        }
    }
}
