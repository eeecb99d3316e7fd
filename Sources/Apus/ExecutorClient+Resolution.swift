/// Who decides how a caller's requests travel, with "nobody" as a value that the caller sees.
extension ExecutorClient {
    /// What to do with a proxy setting that cannot be read.
    public enum BadProxyPolicy: Sendable, Hashable {
        /// Throw it.
        case fail
        /// Ask the next in line, and report it in `Resolution.ignored`.
        case fallThrough
    }

    /// Decides which transport serves a caller: the first of these that has an opinion.
    ///
    /// 1. the credential's proxy setting, 2. the configured one ("direct" is an opinion, "" is
    /// none), both over `engine`; 3. the injected transport, used as the very same one. When nobody
    /// has an opinion the outcome says so, and no other argument changes that. Cheap: nothing is
    /// dialled, made or kept.
    ///
    /// - Parameters:
    ///   - engine: carries what goes by a proxy setting.
    ///   - credentialProxy: as `ProxySetting(parsing:)` reads it.
    ///   - configProxy: likewise.
    ///   - injected: the caller's own transport, such as a stub.
    ///   - timeout: from the call to the last byte; zero or less is none.
    ///   - isolation: keeps the client's connections apart from those of other scopes.
    ///   - versions: which HTTP versions the client may use; `nil` has no opinion.
    ///   - badProxy: what becomes of a setting that cannot be read.
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

    /// Which transport serves a caller, and who said so.
    public struct Resolution: Sendable {
        /// Who decided.
        public enum Opinion: String, Sendable, Hashable, Codable {
            case credentialProxy, configuredProxy, injectedTransport
            /// Nobody: the caller uses what it would have used anyway.
            case noOpinion
        }

        public private(set) var opinion = Opinion.noOpinion
        /// The client to use; `nil` exactly when nobody had an opinion.
        public private(set) var client: ExecutorClient?
        /// The settings that could not be read and were passed over by `.fallThrough`.
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

        /// The client that was decided on; the caller's own transport when nobody had an opinion.
        ///
        /// Timeout, isolation and versions hold in either case.
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
