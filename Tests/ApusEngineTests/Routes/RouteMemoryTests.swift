import ApusConnection
import ApusCore
import ApusEngine
import Testing

/// The routes that an engine keeps, so that most requests need not work theirs out again.
@Suite struct RouteMemoryTests {
    /// Asks for the route of a host; whether it had to be made.
    private func isMade(_ host: String, by memory: RouteMemory) throws -> Bool {
        let requirements = RouteRequirements(
            authority: ExactText(host), scheme: .http, proxy: .direct, versions: .automatic,
            isolation: nil, connectTo: nil, purpose: .exchanges)
        var isMade = false
        _ = try memory.route(for: requirements) { () throws(InvalidRequest) in
            isMade = true
            return Route(origin: try Origin(scheme: .http, host: host))
        }
        return isMade
    }

    @Test func fourThousandRoutesAreKeptAndThoseUsedLongestAgoGo() throws {
        let memory = RouteMemory()
        let most = RouteMemory.maxRoutes
        #expect(most == 4096)
        for number in 0..<most { #expect(try isMade("host-\(number)", by: memory)) }
        for number in 0..<most { #expect(try !isMade("host-\(number)", by: memory)) }
        // One that is used stays, however many others come.
        for number in most..<3 * most {
            #expect(try isMade("host-\(number)", by: memory))
            #expect(try !isMade("host-0", by: memory))
        }
        #expect(try isMade("host-1", by: memory), "used before as many others as are kept")
        #expect(try !isMade("host-\(3 * most - 1)", by: memory))
    }

    @Test func routesThatDifferInOnePartAreKeptApart() throws {
        let memory = RouteMemory()
        let proxies = try ["http://user:a@p.test", "http://user:b@p.test", "socks5h://p.test:80"]
            .map { try ProxySetting(parsing: $0) }
        let chains: [ProxySetting] = [
            .inherit, .direct, proxies[0], proxies[1], proxies[2],
            .chain([try ProxyEndpoint(parsing: "http://p.test")]),
        ]
        let isolations: [IsolationScope?] = [nil, "one", "two"]
        for _ in 0..<2 {
            for proxy in chains {
                for isolation in isolations {
                    let requirements = RouteRequirements(
                        authority: ExactText(lookingFor: "a.test"), scheme: .http, proxy: proxy,
                        versions: .automatic, isolation: isolation, connectTo: nil,
                        purpose: .exchanges)
                    let route = try memory.route(for: requirements) {
                        () throws(InvalidRequest) in
                        let origin = try Origin(scheme: .http, host: "a.test")
                        return Route(
                            origin: origin, proxies: try proxy.proxies(for: origin),
                            isolation: isolation)
                    }
                    #expect(route.isolation == isolation)
                    let origin = try Origin(scheme: .http, host: "a.test")
                    #expect(route.proxies == (try proxy.proxies(for: origin)))
                }
            }
        }
    }

    @Test func aForgottenRouteIsMadeAgain() throws {
        let memory = RouteMemory()
        for host in ["a", "b"] { #expect(try isMade(host, by: memory)) }
        memory.forget { $0.origin.host == "a" }
        #expect(try !isMade("b", by: memory))
        #expect(try isMade("a", by: memory))
    }
}
