import ApusCore
import ApusEngine
import Testing

/// The errors that are kept for the routes whose last dial failed.
@Suite struct DialFailuresTests {
    private let error = TransportError(.timeout, phase: .connect, message: "no answer")

    private func route(_ number: Int) throws -> Route {
        Route(origin: try Origin(scheme: .http, host: "host-\(number)"))
    }

    private func full() throws -> DialFailures {
        var failures = DialFailures()
        for number in 0..<DialFailures.maxRoutes {
            failures.note(error, of: try route(number)) { _ in true }
        }
        return failures
    }

    @Test func errorsBeyondTheLimitAreNotKeptWhileThePoolHoldsEveryRoute() throws {
        #expect(DialFailures.maxRoutes == 2048)
        var failures = try full()
        let last = try route(DialFailures.maxRoutes - 1)
        let beyond = try route(DialFailures.maxRoutes)
        #expect(failures[last] != nil)
        failures.note(error, of: beyond) { _ in true }
        #expect(failures[beyond] == nil)
        #expect(failures[last] != nil)
    }

    @Test func errorsOfRoutesThatThePoolForgotGiveWay() throws {
        var failures = try full()
        let held = try route(7)
        let beyond = try route(DialFailures.maxRoutes)
        failures.note(error, of: beyond) { $0 == held }
        #expect(failures[beyond] != nil)
        #expect(failures[held] != nil)
        #expect(failures[try route(8)] == nil)
    }

    @Test func aKnownRouteIsUpdatedAtTheBound() throws {
        var failures = try full()
        let later = TransportError(.shutdown, phase: .connect, message: "later")
        failures.note(later, of: try route(0)) { _ in true }
        #expect(failures[try route(0)]?.message == "later")
    }
}
