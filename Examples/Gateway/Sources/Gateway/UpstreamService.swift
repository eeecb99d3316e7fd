package import Apus
package import ApusRetry

/// One upstream as it runs: its credentials, the rotation over them, and the forwarder.
package struct UpstreamService: Sendable {
    package let configuration: GatewayConfiguration.Upstream
    package let origin: Origin
    package let engine: TransportEngine
    package let credentials: [Credential]
    package let rotation: Rotating
    package let forwarder: Forwarder

    /// - Parameter shared: the engine of all upstreams that need none of their own.
    /// - Throws: what is wrong with the origin, a proxy, a secret or the number of credentials.
    package init(
        _ configuration: GatewayConfiguration.Upstream, proxy: String,
        shared: TransportEngine, observer: any EngineObserver, journal: Journal,
        clients: ClientConnections
    ) throws {
        self.configuration = configuration
        origin = try RequestURL(parsing: configuration.origin).origin
        // An engine of its own keeps its own settings, whatever the shared one has.
        let engine =
            configuration.http1Only
            ? try TransportEngine(Self.http1Tuning, observer: observer) : shared
        credentials = try configuration.credentials.map {
            try Credential($0, of: configuration, defaultProxy: proxy, over: engine)
        }
        var policy = RotationPolicy()
        policy.limit = configuration.tries
        rotation = try Rotating(over: credentials.map(\.choice), engine, policy: policy)
        var options = RequestOptions()
        options.headTimeout = configuration.firstByte
        options.readIdleTimeout = configuration.betweenBytes
        forwarder = Forwarder(
            to: origin, over: AccessLog(configuration.name, over: rotation, to: journal),
            options: options, replayBytes: configuration.replayBytes, clients: clients)
        self.engine = engine
    }

    /// 100 idle connections for each host, for 10 minutes.
    private static let http1Tuning: EngineTuning = {
        var tuning = EngineTuning.default
        tuning.pool.maxIdle = nil
        tuning.pool.maxIdlePerHost = 100
        tuning.pool.idleTimeout = .seconds(600)
        return tuning
    }()

    /// Whether a path is one of the upstream's.
    ///
    /// - Returns: the length of the longest entry of `paths` that the path is below, if any.
    package func match(_ path: Substring) -> Int? {
        configuration.paths.filter { prefix in
            path == prefix || path.hasPrefix(prefix.hasSuffix("/") ? prefix : prefix + "/")
        }.map(\.count).max()
    }
}
