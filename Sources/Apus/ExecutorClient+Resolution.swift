// Deciding which transport serves a caller; "no opinion" is a separate result.
extension ExecutorClient {
    /// What happens to a proxy setting that cannot be parsed.
    public enum BadProxyPolicy: Sendable, Hashable {
        /// The error is thrown.
        case fail
        /// The next setting is tried, and `Resolution.ignored` has the error.
        case fallThrough
    }

    /// Decides which transport serves a caller.
    ///
    /// The first of these that is set decides: 1. the credential's proxy setting, 2. the configured
    /// one, both over `engine` ("direct" is a setting, "" is none); 3. the injected transport, used
    /// as it is. When none is set, the result is `noOpinion`, whatever the other arguments. The
    /// call is cheap: nothing is dialled, made or kept.
    ///
    /// - Parameters:
    ///   - engine: the transport for a proxy setting.
    ///   - credentialProxy: a text for `ProxySetting(parsing:)`; none by default.
    ///   - configProxy: a text for `ProxySetting(parsing:)`; none by default.
    ///   - injected: the caller's own transport, such as a stub; none by default.
    ///   - timeout: the client's total timeout; zero or less, the default, is none.
    ///   - isolation: the client's scope; none by default.
    ///   - versions: the client's HTTP versions; `nil`, the default, leaves the choice open.
    ///   - badProxy: what happens to a setting that cannot be parsed; `fail` by default.
    /// - Throws: `InvalidProxy`, whose message never holds credentials.
    public static func resolve(
        over engine: any HTTPTransport, credentialProxy: String = "", configProxy: String = "",
        injected: (any HTTPTransport)? = nil, timeout: Duration = .zero,
        isolation: IsolationScope? = nil, versions: HTTPVersionPolicy? = nil,
        badProxy: BadProxyPolicy = .fail
    ) throws(InvalidProxy) -> Resolution {
        var found = Resolution(
            isolation: isolation, versions: versions, timeout: timeout > .zero ? timeout : nil)
        let settings = [
            (credentialProxy, Resolution.Opinion.credentialProxy),
            (configProxy, Resolution.Opinion.configuredProxy),
        ]
        for (text, opinion) in settings {
            do throws(InvalidProxy) {
                let proxy = try ProxySetting(parsing: text)
                guard proxy != .inherit else { continue }
                return found.decided(opinion, engine, proxy)
            } catch {
                guard badProxy == .fallThrough else { throw error }
                found.ignored.append(error)
            }
        }
        guard let injected else { return found }
        return found.decided(.injectedTransport, injected, .inherit)
    }

    /// The transport that serves a caller, and which setting decided.
    public struct Resolution: Sendable {
        /// The setting that decided.
        public enum Opinion: String, Sendable, Hashable, Codable {
            /// The credential's proxy setting.
            case credentialProxy
            /// The configured proxy setting.
            case configuredProxy
            /// The injected transport.
            case injectedTransport
            /// None: the caller uses the transport that it would have used anyway.
            case noOpinion
        }

        /// The setting that decided.
        public private(set) var opinion = Opinion.noOpinion
        /// The client to use; `nil` exactly when `opinion` is `noOpinion`.
        public private(set) var client: ExecutorClient?
        /// The errors of settings that `.fallThrough` skipped.
        public fileprivate(set) var ignored: [InvalidProxy] = []
        private let isolation: IsolationScope?
        private let versions: HTTPVersionPolicy?
        private let timeout: Duration?

        fileprivate init(
            isolation: IsolationScope?, versions: HTTPVersionPolicy?, timeout: Duration?
        ) {
            self.isolation = isolation
            self.versions = versions
            self.timeout = timeout
        }

        /// The client that was decided on, or one over the caller's own transport when none was.
        ///
        /// Timeout, isolation and versions apply in either case.
        public func client(otherwise own: any HTTPTransport) -> ExecutorClient {
            client ?? makeClient(own, .inherit)
        }

        fileprivate func decided(
            _ opinion: Opinion, _ transport: any HTTPTransport, _ proxy: ProxySetting
        ) -> Resolution {
            var copy = self
            copy.opinion = opinion
            copy.client = makeClient(transport, proxy)
            return copy
        }

        private func makeClient(
            _ transport: any HTTPTransport, _ proxy: ProxySetting
        ) -> ExecutorClient {
            ExecutorClient(
                transport, proxy: proxy, isolation: isolation, versions: versions, timeout: timeout)
        }
    }
}
