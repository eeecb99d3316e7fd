/// Every number that an engine works by: one immutable value, given when the engine is made.
///
/// `nil` means off, and nothing else does. No field switches another off. Changing a copy moves
/// nobody else's numbers.
public struct EngineTuning: Sendable, Hashable {
    public var pool = Pool()
    public var dial = Dial()
    public var tls = TLS()
    public var http1 = HTTP1()
    public var http2 = HTTP2()
    public var limits = Limits()
    /// Threads that carry connections; each is one epoll loop.
    ///
    /// Default 1.
    public var eventLoops = 1

    public init() {}

    /// 100 idle connections in all, 2 per host, 90 s: what Go's standard transport does.
    public static let `default` = EngineTuning()

    /// 200 idle connections in all, 20 per host, 90 s: for a proxy's executors.
    public static let executor: EngineTuning = {
        var tuning = EngineTuning()
        tuning.pool.maxIdle = 200
        tuning.pool.maxIdlePerHost = 20
        return tuning
    }()
}

extension EngineTuning {
    /// How many connections are kept, for how long, and how long callers wait for one.
    public struct Pool: Sendable, Hashable {
        /// Idle connections kept over all routes; `nil` is unlimited, 0 keeps none.
        ///
        /// Default 100.
        public var maxIdle: Int? = 100
        /// Idle connections kept per route; `nil` is unlimited, 0 keeps none.
        ///
        /// Default 2.
        public var maxIdlePerHost: Int? = 2
        /// Connections per route, dials in flight included; `nil` is unlimited, which is the
        /// default.
        public var maxConnectionsPerHost: Int?
        /// Dials in flight per route.
        ///
        /// Default 4 for HTTP/2-capable routes to grow by; `nil` is unlimited.
        public var maxDialsPerHost: Int?
        /// Callers waiting per route; the next is refused.
        ///
        /// Default 1024.
        public var maxWaitersPerHost = 1024
        /// How long a caller waits for a connection before it fails; `nil` is for ever.
        ///
        /// Default 10 s.
        public var acquireTimeout: Duration? = .seconds(10)
        /// How long an idle connection is kept; `nil` is for ever.
        ///
        /// Default 90 s.
        public var idleTimeout: Duration? = .seconds(90)
        /// How old a connection may grow before it takes no more exchanges; `nil`, the default, is
        /// no limit.
        public var lifetime: Duration?

        public init() {}
    }

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

    /// What TLS trusts, presents and speaks.
    ///
    /// A part of the route: a difference means another connection.
    public struct TLS: Sendable, Hashable {
        /// Who may vouch for a server.
        public enum Roots: Sendable, Hashable {
            /// The system's certificate store.
            case system
            /// The certificates of a PEM file, and no others.
            case file(String)
            /// The certificates in a PEM text, and no others.
            case pem(String)
        }

        /// A protocol version.
        public enum Version: Int, Sendable, Hashable, Comparable {
            case tls12 = 12
            case tls13 = 13

            public static func < (left: Version, right: Version) -> Bool {
                left.rawValue < right.rawValue
            }
        }

        /// A client certificate with its key: paths of PEM files.
        public struct Identity: Sendable, Hashable {
            public var certificateFile: String
            public var keyFile: String

            public init(certificateFile: String, keyFile: String) {
                self.certificateFile = certificateFile
                self.keyFile = keyFile
            }
        }

        public var roots: Roots = .system
        public var identity: Identity?
        public var minimumVersion: Version = .tls12
        public var maximumVersion: Version = .tls13
        /// The name sent as SNI and verified, when it is not the origin's host.
        public var serverName: String?
        /// Accepts any certificate.
        ///
        /// Shown in every snapshot; never a default.
        public var insecureSkipVerify = false
        /// Whether sessions are resumed.
        ///
        /// Default true.
        public var resumption = true
        /// Sessions kept per route.
        ///
        /// Default 2.
        public var maxSessionsPerRoute = 2

        public init() {}
    }

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
        /// Default 2.
        public var replays = 2
        /// A failed CONNECT's body kept for the error, in bytes.
        ///
        /// Default 16 KiB.
        public var proxyErrorBodyBytes = 16 * 1024

        public init() {}
    }
}
