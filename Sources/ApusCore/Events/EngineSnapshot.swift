/// The state of an engine at one instant, and its counters since it was made.
///
/// It holds no secret: routes are shown without proxy credentials, isolation scopes by their
/// digest.
public struct EngineSnapshot: Sendable, Hashable, Codable {
    /// Connections in every state, those being made included.
    public package(set) var connections = 0
    /// Connections that are open and carry no exchange.
    public package(set) var idle = 0
    /// Connections that carry at least one exchange, draining ones included.
    public package(set) var leased = 0
    /// Connections being made.
    public package(set) var dialling = 0
    /// Requests waiting for a connection.
    public package(set) var waiting = 0
    /// Exchanges in flight.
    public package(set) var exchanges = 0
    /// Counters since the engine was made.
    public package(set) var counters = Counters()
    /// Each route that has a connection or a waiter, sorted by text.
    public package(set) var routes: [RouteEntry] = []
    /// Each cap on connections that is set, sorted by text: of the engine, and of each origin and
    /// proxy that has a connection or a waiter.
    public package(set) var connectionCaps: [ConnectionCap] = []
    /// Each way that speaks HTTP/1.1 because HTTP/2 has failed on it, sorted by text.
    public package(set) var http2Avoided: [HTTP2Avoidance] = []
    /// Each way of which something was learned for later connections, sorted by text.
    public package(set) var learnedWays: [LearnedWay] = []
    /// Each proxy that was dialled, sorted by text.
    public package(set) var proxies: [ProxyEntry] = []
    /// Each connection, oldest first.
    public package(set) var connectionEntries: [ConnectionEntry] = []

    /// Connections established since the engine was made.
    public var connectionsOpened: Int { counters.connectionsOpened }
    /// Dials that failed since the engine was made.
    public var dialFailures: Int { counters.dialFailures }
    /// Exchanges sent on a connection that had carried one before.
    public var reuses: Int { counters.reuses }

    package init() {}

    /// Counters since the engine was made.
    public struct Counters: Sendable, Hashable, Codable {
        /// Dials that were started.
        public package(set) var dials = 0
        /// Dials that failed.
        public package(set) var dialFailures = 0
        /// Dials that were abandoned: no request waited for them any more, or the engine ended.
        public package(set) var abandonedDials = 0
        /// Connections that were established.
        public package(set) var connectionsOpened = 0
        /// Connections that ended, by `CloseReason`'s name; dials are not among them.
        public package(set) var closes: [String: Int] = [:]
        /// Requests that got a connection.
        public package(set) var leases = 0
        /// Requests whose connection had carried an exchange before.
        public package(set) var reuses = 0
        /// Requests that were sent again after a failure.
        public package(set) var replays = 0
        /// Requests that had to wait for a connection.
        public package(set) var waits = 0
        /// Waits that ended by cancellation or timeout.
        public package(set) var abandonedWaits = 0
        /// Waits that ended because a dial failed or the engine was shut down.
        public package(set) var failedWaits = 0
        /// Requests refused: the queue was full, a dial had just failed, or the engine was shut
        /// down.
        public package(set) var refusals = 0
        /// CPU time that TLS handshakes took on their event loops, in seconds.
        public package(set) var handshakeSeconds = 0.0
        /// CPU time of the longest handshake step, in seconds; its loop did nothing else meanwhile.
        public package(set) var longestHandshakeStepSeconds = 0.0
        /// Handshake steps of 100 ms or more, each of which is also an event.
        public package(set) var slowHandshakeSteps = 0

        package init() {}

        /// How many connections ended for a reason.
        public func closes(_ reason: CloseReason) -> Int { closes[reason.rawValue] ?? 0 }
    }

    /// A cap on connections, and how much of it is used.
    public struct ConnectionCap: Sendable, Hashable, Codable, CustomStringConvertible {
        /// Which cap it is, as requests report that wait because of it.
        public let cause: WaitCause
        /// The origin, the proxy without credentials, or "engine".
        public let name: String
        /// Connections in every state, those being made included.
        public let connections: Int
        /// How many there may be.
        public let limit: Int
        /// Requests that wait because of this cap; of several caps, one is counted.
        public let waiting: Int

        package init(
            cause: WaitCause, name: String, connections: Int, limit: Int, waiting: Int
        ) {
            self.cause = cause
            self.name = name
            self.connections = connections
            self.limit = limit
            self.waiting = waiting
        }

        /// As in "https://a.example: 8 of 8 connections per origin, 12 waiting".
        public var description: String {
            "\(name): \(connections) of \(limit) \(cause.rawValue), \(waiting) waiting"
        }
    }

    /// A way that speaks HTTP/1.1 because HTTP/2 has failed on it.
    public struct HTTP2Avoidance: Sendable, Hashable, Codable {
        /// A route of the way without secrets; those with other credentials and scopes share it.
        public let route: String
        /// The failures, oldest first.
        public let because: [HTTP2Evidence]
        /// Seconds until one request tries HTTP/2 again; 0 while one does.
        public let secondsLeft: Double

        package init(route: String, because: [HTTP2Evidence], secondsLeft: Double) {
            self.route = route
            self.because = because
            self.secondsLeft = secondsLeft
        }
    }

    /// One route: its connections and its waiting requests.
    public struct RouteEntry: Sendable, Hashable, Codable, CustomStringConvertible {
        /// The route without secrets, as in "https://a.example via http://proxy:3128".
        public package(set) var route: String
        /// Connections that carry at least one exchange.
        public package(set) var leased: Int
        /// Connections that are open and carry no exchange.
        public package(set) var idle: Int
        /// Connections being made.
        public package(set) var dialling: Int
        /// Requests that wait for a connection.
        public package(set) var waiting: Int
        /// What the waiting requests wait for; `nil` when none waits.
        public package(set) var waitingFor: WaitCause?
        /// How long its connections may be idle, in seconds, as learned from the peer; `nil` when
        /// nothing was learned or `pool.learnsIdleTime` is off.
        public package(set) var learnedIdleSeconds: Double?
        /// Whether the certificates of its peers are not verified.
        public package(set) var insecureSkipVerify: Bool

        package init(
            route: String, leased: Int, idle: Int, dialling: Int, waiting: Int,
            waitingFor: WaitCause?, insecureSkipVerify: Bool
        ) {
            self.route = route
            self.leased = leased
            self.idle = idle
            self.dialling = dialling
            self.waiting = waiting
            self.waitingFor = waitingFor
            self.insecureSkipVerify = insecureSkipVerify
        }

        /// As in "https://a.example: 3 leased, 2 idle, 1 dialling, 4 waiting for: dials per host".
        public var description: String {
            var text = "\(route): \(leased) leased, \(idle) idle, \(dialling) dialling, "
            text += "\(waiting) waiting"
            if let waitingFor { text += " for: \(waitingFor.rawValue)" }
            return insecureSkipVerify ? text + "; CERTIFICATES NOT VERIFIED" : text
        }
    }

    /// One connection.
    public struct ConnectionEntry: Sendable, Hashable, Codable, CustomStringConvertible {
        /// Its number in the engine.
        public package(set) var id: UInt64
        /// Its route without secrets.
        public package(set) var route: String
        /// The connection's state.
        public package(set) var state: ConnectionState
        /// Exchanges in flight: streams, in HTTP/2.
        public package(set) var streams: Int
        /// How many exchanges it may carry at once; 0 while it is being made.
        public package(set) var capacity: Int
        /// Seconds since it was established or, while it is being made, since its dial began.
        public package(set) var ageSeconds: Double
        /// Seconds since its last exchange ended; `nil` while it carries one.
        public package(set) var idleSeconds: Double?
        /// "http/1.1" or "h2"; `nil` while it is being made.
        public package(set) var protocolName: String?
        /// The peer's address: the proxy's when there is one.
        public package(set) var remoteAddress: String?
        /// Whether the peer's certificate was not verified.
        public package(set) var insecureSkipVerify: Bool

        package init(
            id: UInt64, route: String, state: ConnectionState, streams: Int, capacity: Int,
            ageSeconds: Double, idleSeconds: Double?, protocolName: String?,
            remoteAddress: String?, insecureSkipVerify: Bool
        ) {
            self.id = id
            self.route = route
            self.state = state
            self.streams = streams
            self.capacity = capacity
            self.ageSeconds = ageSeconds
            self.idleSeconds = idleSeconds
            self.protocolName = protocolName
            self.remoteAddress = remoteAddress
            self.insecureSkipVerify = insecureSkipVerify
        }

        /// As in "connection 7 to https://a.example (127.0.0.1:443, h2): leased, 3 of 100 streams".
        public var description: String {
            var text = "connection \(id) to \(route)"
            if let remoteAddress, let protocolName {
                text += " (\(remoteAddress), \(protocolName))"
            }
            text += ": \(state.rawValue), \(streams) of \(capacity) streams"
            return insecureSkipVerify ? text + "; CERTIFICATE NOT VERIFIED" : text
        }
    }
}

extension EngineSnapshot: CustomStringConvertible {
    /// One line per route.
    public var description: String {
        routes.map(\.description).joined(separator: "\n")
    }
}
