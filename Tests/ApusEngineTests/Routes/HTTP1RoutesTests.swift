import ApusCore
@testable import ApusEngine
import Testing

/// The routes whose peers have asked for HTTP/1.1.
@Suite struct HTTP1RoutesTests {
    @Test func aRouteIsChangedOnceItsPeerHasAskedForThat() throws {
        let routes = HTTP1Routes()
        let (asked, other) = (try route(1, scheme: .https), try route(2, scheme: .https))
        #expect(routes.adapted(asked) == asked)
        let changed = try #require(routes.demanded(by: asked))
        #expect(changed == (try route(1, scheme: .https, versions: .http1Only(alpn: .http1))))
        #expect(routes.adapted(asked) == changed)
        #expect(routes.adapted(changed) == changed)
        #expect(routes.adapted(other) == other)
    }

    @Test(arguments: [HTTPVersionPolicy.http2Only, .http1Only(alpn: .http1)])
    func aRouteWithOneVersionIsNotChanged(_ versions: HTTPVersionPolicy) throws {
        let routes = HTTP1Routes()
        let fixed = try route(1, scheme: .https, versions: versions)
        #expect(routes.demanded(by: fixed) == nil)
        #expect(routes.adapted(fixed) == fixed)
    }

    @Test func everythingButTheVersionStays() throws {
        var tls = EngineTuning.TLS()
        tls.insecureSkipVerify = true
        let proxy = try ProxyEndpoint(parsing: "http://me:secret@proxy:3128")
        func route(_ versions: HTTPVersionPolicy) throws -> Route {
            Route(
                origin: try Origin(scheme: .https, host: "a"), proxies: [proxy],
                versions: versions, tls: tls, localAddress: "127.0.0.1", localInterface: "lo",
                connectTo: nil, isolation: IsolationScope("one"), purpose: .upgrade)
        }
        let changed = HTTP1Routes().demanded(by: try route(.automatic))
        #expect(changed == (try route(.http1Only(alpn: .http1))))
    }

    @Test func aLargeBodyTakesHTTP1OnANarrowWay() throws {
        let routes = HTTP1Routes()
        let narrow = try route(1, scheme: .https)
        let changed = try route(1, scheme: .https, versions: .http1Only(alpn: .http1))
        #expect(routes.adapted(narrow, bodyLength: 2 << 20) == narrow)
        routes.congested(narrow, window: 65_535)
        #expect(routes.adapted(narrow, bodyLength: 2 << 20) == changed)
        // Small, none, and of unknown length.
        for length in [100_000, 0, nil] as [UInt64?] {
            #expect(routes.adapted(narrow, bodyLength: length) == narrow)
        }
        routes.forget { $0 == narrow }
        #expect(routes.adapted(narrow, bodyLength: 2 << 20) == narrow)
    }

    @Test func noBodyIsMovedWhereThatIsNotAllowed() throws {
        var tuning = EngineTuning.HTTP2()
        let automatic = try route(1, scheme: .https)
        let fixed = try route(1, scheme: .https, versions: .http2Only)
        // In the clear HTTP/2 is prior knowledge.
        let plain = try route(1)
        let routes = HTTP1Routes(tuning)
        for route in [fixed, plain] {
            routes.congested(route, window: 65_535)
            #expect(routes.adapted(route, bodyLength: 2 << 20) == route)
        }
        tuning.movesLargeUploads = false
        let off = HTTP1Routes(tuning)
        off.congested(automatic, window: 65_535)
        #expect(off.adapted(automatic, bodyLength: 2 << 20) == automatic)
    }
}
