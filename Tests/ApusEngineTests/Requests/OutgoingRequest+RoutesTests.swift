import ApusConnection
import ApusCore
import ApusEngine
import HTTPTypes
import Testing

/// How a request gets its route.
@Suite struct OutgoingRequestRoutesTests {
    private func tunnel(
        _ target: String, routes: RouteMemory = RouteMemory(),
        options: RequestOptions = RequestOptions()
    ) throws -> OutgoingRequest {
        try OutgoingRequest(
            tunnelTo: target, via: .direct, options: options, tuning: EngineTuning(),
            routes: routes)
    }

    @Test(
        "a tunnel has a route of raw bytes over HTTP/1.1, used once",
        arguments: [
            ("a.example:443", "a.example", 443), ("127.0.0.1:25", "127.0.0.1", 25),
            ("[::1]:8443", "::1", 8443),
        ] as [(String, String, UInt16)])
    func tunnelRoute(target: String, host: String, port: UInt16) throws {
        var options = RequestOptions()
        options.versions = .http2Only
        options.upgrade = "websocket"
        options.reuse = .pooled
        let request = try tunnel(target, options: options)
        #expect(request.route.purpose == .rawBytes)
        #expect(request.route.origin == (try Origin(scheme: .https, host: host, port: Int(port))))
        #expect(request.route.versions == .http1Only(alpn: .http1))
        #expect(request.reuse == .oneShot)
    }

    @Test(arguments: ["a.example", "", "a.example:", "a.example:0", "a.example:65536", "a b:1"])
    func aTargetWithoutHostAndPortIsRefused(_ target: String) {
        #expect(throws: InvalidRequest.self) { _ = try tunnel(target) }
    }

    @Test func aTunnelWithoutAPortSaysSo() {
        let error = #expect(throws: InvalidRequest.self) { _ = try tunnel("a.example") }
        #expect(error?.reason == "has no port, which a tunnel needs")
    }

    /// The memory is searched by what requests say, so that a tunnel never gets the route of an
    /// exchange.
    @Test func aRouteIsFoundInTheMemoryByEveryRequirement() throws {
        let routes = RouteMemory()
        func exchange(_ isolation: IsolationScope?) throws -> Route {
            var options = RequestOptions()
            options.isolation = isolation
            let head = HTTPRequest(
                method: .get, scheme: "https", authority: "a.example:443", path: "/")
            return try OutgoingRequest(
                head, body: .empty, options: options, tuning: EngineTuning(), routes: routes
            ).route
        }
        let first = try exchange(nil)
        #expect(try exchange(nil) == first)
        #expect(try exchange(IsolationScope("one")) != first)
        #expect(try tunnel("a.example:443", routes: routes).route != first)
        var kept: [Route] = []
        routes.forget {
            kept.append($0)
            return false
        }
        #expect(kept.count == 3)
    }
}
