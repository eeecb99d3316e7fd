import ApusConnection
import ApusCore
import ApusEngine
import Testing

/// The few routes that an engine keeps, so that most requests need not work theirs out again.
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

    @Test func eightRoutesAreKeptAndTheNinthReplacesTheOldest() throws {
        let memory = RouteMemory()
        let hosts = (0..<9).map { "host-\($0)" }
        for host in hosts.prefix(8) { #expect(try isMade(host, by: memory)) }
        for host in hosts.prefix(8) { #expect(try !isMade(host, by: memory)) }
        #expect(try isMade(hosts[8], by: memory))
        #expect(try !isMade(hosts[8], by: memory))
        for host in hosts[1..<8] { #expect(try !isMade(host, by: memory)) }
        #expect(try isMade(hosts[0], by: memory))
    }

    @Test func aForgottenRouteIsMadeAgain() throws {
        let memory = RouteMemory()
        for host in ["a", "b"] { #expect(try isMade(host, by: memory)) }
        memory.forget { $0.origin.host == "a" }
        #expect(try !isMade("b", by: memory))
        #expect(try isMade("a", by: memory))
    }
}
