import ApusCore
import ApusEngine
import Testing

/// The set of routes of which one thing is known.
@Suite struct LearnedRoutesTests {
    private func route(_ number: Int) throws -> Route {
        Route(origin: try Origin(scheme: .http, host: "host-\(number)"))
    }

    @Test func aThousandRoutesAreKeptAndTheNextOneClearsTheSet() throws {
        #expect(LearnedRoutes.maxRoutes == 1024)
        let routes = LearnedRoutes()
        for number in 0..<LearnedRoutes.maxRoutes { routes.insert(try route(number)) }
        #expect(routes.contains(try route(0)))
        #expect(routes.contains(try route(LearnedRoutes.maxRoutes - 1)))
        routes.insert(try route(LearnedRoutes.maxRoutes))
        #expect(routes.contains(try route(LearnedRoutes.maxRoutes)))
        #expect(!routes.contains(try route(0)))
    }

    @Test func onlyMatchingRoutesAreForgotten() throws {
        let routes = LearnedRoutes()
        for number in 0..<3 { routes.insert(try route(number)) }
        routes.forget { $0.origin.host == "host-1" }
        #expect(routes.contains(try route(0)))
        #expect(!routes.contains(try route(1)))
        #expect(routes.contains(try route(2)))
    }
}
