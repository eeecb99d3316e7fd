// What was learned of ways, in a snapshot.
extension EngineSnapshot {
    /// What was learned of one way from its connections.
    ///
    /// A way is an origin and its proxies, whatever their credentials.
    public struct LearnedWay: Sendable, Hashable, Codable, CustomStringConvertible {
        /// A route of the way without secrets.
        public package(set) var route: String
        /// The silence after which a new connection with open streams sends a PING, in seconds;
        /// `nil` when PINGs are off.
        public package(set) var pingAfterSeconds: Double?
        /// How often the peer ended a connection with `too_many_pings`.
        public package(set) var pingComplaints = 0
        /// The silence after which the way ends connections that carry an exchange, in seconds;
        /// `nil` when none was met.
        public package(set) var silenceLimitSeconds: Double?
        /// How many connections ended after about that silence.
        public package(set) var silenceLimitSeen = 0
        /// How long PINGs take, in seconds: the longest time, which each shorter one brings an
        /// eighth nearer to its own; `nil` while none was acknowledged.
        public package(set) var pingTimeSeconds: Double?

        package init(route: String) {
            self.route = route
        }

        /// As in "https://a.example: PING after 30 s (takes 20 ms), too many for the peer 1 time".
        public var description: String {
            var text = route
            text += pingAfterSeconds.map { ": PING after \(Self.words($0))" } ?? ": no PINGs"
            if let pingTimeSeconds { text += " (takes \(Self.words(pingTimeSeconds)))" }
            if pingComplaints > 0 {
                text += ", too many for the peer \(Self.times(pingComplaints))"
            }
            if let silenceLimitSeconds {
                text += ", ends silent connections after \(Self.words(silenceLimitSeconds))"
                text += " (seen \(Self.times(silenceLimitSeen)))"
            }
            return text
        }

        private static func words(_ seconds: Double) -> String { Duration.seconds(seconds).words }

        private static func times(_ count: Int) -> String {
            count == 1 ? "1 time" : "\(count) times"
        }
    }
}
