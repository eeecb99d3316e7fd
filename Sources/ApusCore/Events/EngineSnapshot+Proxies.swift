// The proxies in a snapshot.
extension EngineSnapshot {
    /// One proxy: what became of the dials through it, over all credentials, origins and scopes.
    public struct ProxyEntry: Sendable, Hashable, Codable, CustomStringConvertible {
        /// Whether connections are made through a proxy.
        public enum State: String, Sendable, Hashable, Codable, CaseIterable {
            /// Nothing counts against it.
            case healthy
            /// Something counts against it, or no connection is made through it to some target.
            case doubtful
            /// No connection is made through it, except for one that probes it.
            case failing
        }

        /// The proxy without credentials, as in "socks5://127.0.0.1:1080"; after others of a chain,
        /// all of them, as in "http://a:3128 then socks5://b:1080".
        public package(set) var proxy: String
        /// The proxy's state.
        public package(set) var state = State.healthy
        /// Dials that came to the proxy and have ended, abandoned ones left out.
        public package(set) var dials = 0
        /// Those of them that it let through.
        public package(set) var opened = 0
        /// What went wrong, by `ProxyFailure`'s name.
        public package(set) var failures: [String: Int] = [:]
        /// How long the proxy takes to open a tunnel, TLS with it included, in seconds: an average
        /// in which each new tunnel counts one eighth; `nil` before the first.
        public package(set) var handshakeSeconds: Double?
        /// The targets, host and port, to which no connection is made through this proxy although
        /// others are; sorted.
        public package(set) var failingTargets: [String] = []
        /// Seconds until the next dial probes a proxy or target that fails; 0 while one does, or
        /// when the next request will; `nil` when nothing fails.
        public package(set) var secondsToProbe: Double?

        package init(proxy: String) {
            self.proxy = proxy
        }

        /// How often something went wrong.
        public func failures(_ failure: ProxyFailure) -> Int { failures[failure.rawValue] ?? 0 }

        /// As in "http://proxy:3128: failing, 2 of 9 dials opened; unreachable 7; probe in 4 s".
        public var description: String {
            var text = "\(proxy): \(state.rawValue), \(opened) of \(dials) dials opened"
            for (name, count) in failures.sorted(by: { $0.key < $1.key }) {
                text += "; \(name) \(count)"
            }
            if !failingTargets.isEmpty {
                text += "; failing to \(failingTargets.joined(separator: ", "))"
            }
            if let secondsToProbe { text += "; probe in \(Int(secondsToProbe.rounded(.up))) s" }
            return text
        }
    }
}
