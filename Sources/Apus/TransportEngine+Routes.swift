import ApusConnection
import ApusEngine

// Operations on the connections of routes.
extension TransportEngine {
    /// The route that a request to this URL takes with these options; nothing is dialled.
    ///
    /// `ExecutorClient.options(over:)` returns the options of a client's requests.
    ///
    /// - Throws: `TransportError` of kind `.invalidRequest` naming the part at fault.
    public func route(
        to url: String, options: RequestOptions = .init()
    ) throws(TransportError) -> Route {
        let request = try HTTPRequest.get(url)
        do throws(InvalidRequest) {
            return try OutgoingRequest(
                request, body: .empty, options: options, tuning: engine.tuning,
                routes: engine.routes
            ).route
        } catch {
            throw TransportError(error)
        }
    }

    /// Dials connections ahead of the first request, up to a number.
    ///
    /// It returns at once; the dials' results are reported to the observer and counted in the
    /// snapshot. It never dials more than `pool.maxIdlePerHost`, `pool.maxIdle` and
    /// `pool.maxConnectionsPerHost` allow, nor more at once than `pool.maxDialsPerHost` allows
    /// (call it again when they have ended). Where HTTP/2 is possible and no connection has shown
    /// otherwise, it dials one.
    ///
    /// - Parameters:
    ///   - route: a route from `route(to:options:)`, so that requests find the connections.
    ///   - connections: the number of connections that the route should have, including those in
    ///     use; 1 by default.
    /// - Returns: the number of dials started.
    @discardableResult
    public func prewarm(_ route: Route, connections: Int = 1) -> Int {
        engine.prewarm(route, connections: connections)
    }

    /// Dials connections ahead of the first request to a URL, as `prewarm(_:connections:)` does for
    /// a route.
    ///
    /// - Throws: `TransportError` of kind `.invalidRequest` naming the part at fault.
    @discardableResult
    public func prewarm(
        _ url: String, connections: Int = 1, options: RequestOptions = .init()
    ) throws(TransportError) -> Int {
        prewarm(try route(to: url, options: options), connections: connections)
    }

    /// Retires the connections of every matching route, as after the revocation of a credential.
    ///
    /// Idle connections close at once; those in use get no new exchange and close after their last.
    /// Their TLS sessions are forgotten, and what was learned of their ways
    /// (`EngineSnapshot.http2Avoided`, `.learnedWays`). Dials in flight are not affected, and later
    /// requests may dial the same routes. What is known of a proxy (`EngineSnapshot.proxies`) is
    /// forgotten when the predicate matches a route through it that has neither credentials nor a
    /// scope.
    public func drain(where matches: (Route) -> Bool) {
        engine.drain(where: matches)
    }
}

extension ExecutorClient {
    /// The options that a request of this client is sent with: its own, and the client's choices
    /// where it has none.
    public func options(over options: RequestOptions = .init()) -> RequestOptions {
        var options = options
        if options.proxy == .inherit { options.proxy = proxy }
        options.isolation = options.isolation ?? isolation
        options.versions = options.versions ?? versions
        options.totalTimeout = options.totalTimeout ?? timeout
        fillTimeouts(of: &options)
        return options
    }
}
