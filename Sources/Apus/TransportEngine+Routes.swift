import ApusTransport

/// What concerns the connections of some routes, whoever uses them.
extension TransportEngine {
    /// The way that a request to this URL takes with these options; nothing is dialled.
    ///
    /// `ExecutorClient.options(over:)` gives the options of a client's requests.
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

    /// Dials ahead of the first request, until the route has so many connections.
    ///
    /// Returns at once; how the dials end is told to the observer and counted in the snapshot.
    /// Within the tuning's limits: never more than `pool.maxIdlePerHost`, `pool.maxIdle` and
    /// `pool.maxConnectionsPerHost` allow, never more dials than `pool.maxDialsPerHost` leaves room
    /// for now (call again when they have ended), and, where HTTP/2 is possible and no connection
    /// has shown otherwise, one.
    ///
    /// - Parameters:
    ///   - route: as `route(to:options:)` gives it, so that requests find the connections.
    ///   - connections: how many the route is to have, those in use included.
    /// - Returns: the dials that were started.
    @discardableResult
    public func prewarm(_ route: Route, connections: Int = 1) -> Int {
        engine.prewarm(route, connections: connections)
    }

    /// Dials ahead of the first request to this URL, as `prewarm(_:connections:)` does for a route.
    ///
    /// - Throws: `TransportError` of kind `.invalidRequest` naming the part at fault.
    @discardableResult
    public func prewarm(
        _ url: String, connections: Int = 1, options: RequestOptions = .init()
    ) throws(TransportError) -> Int {
        prewarm(try route(to: url, options: options), connections: connections)
    }

    /// Gives up the connections of every route that matches, as when a credential was revoked.
    ///
    /// Idle ones close now; those in use take no new exchange and close behind their last. Their
    /// TLS sessions are forgotten. A dial in flight is not touched, nor does anything keep later
    /// requests from dialling the same routes.
    public func drain(where matches: (Route) -> Bool) {
        engine.drain(where: matches)
    }
}

extension ExecutorClient {
    /// The options that a request of this client goes out with: its own, and the client's choices
    /// where those make none.
    public func options(over options: RequestOptions = .init()) -> RequestOptions {
        var options = options
        if options.proxy == .inherit { options.proxy = proxy }
        options.isolation = options.isolation ?? isolation
        options.versions = options.versions ?? versions
        options.totalTimeout = options.totalTimeout ?? timeout
        return options
    }
}
