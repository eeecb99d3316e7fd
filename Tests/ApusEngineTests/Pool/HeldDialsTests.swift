import ApusCore
@testable import ApusEngine
@testable import ApusPool
import Testing

/// A dial that uses a connection's room waits for that connection's end.
@Suite struct HeldDialsTests {
    private func id(_ number: UInt64) -> ConnectionID { ConnectionID(slot: 0, number: number) }

    private func dial(_ number: UInt64, _ route: Route) -> PoolActions.Dial {
        PoolActions.Dial(connection: id(number), route: route)
    }

    @Test func aDialStartsAtOnceWhenNothingOfItsRouteEnds() throws {
        var dials = HeldDials(CapLimits(EngineTuning.Pool()))
        dials.willEnd(id(1), of: try route(2))
        let mayStart = dials.mayStart(dial(2, try route(1)))
        #expect(mayStart)
        #expect(dials.takeFree().isEmpty)
    }

    @Test func aDialWaitsForAllThatWasEndingWhenItWasDecided() throws {
        var dials = HeldDials(CapLimits(EngineTuning.Pool()))
        let route = try route(1)
        dials.willEnd(id(1), of: route)
        dials.willEnd(id(2), of: route)
        let mayStart = dials.mayStart(dial(3, route))
        #expect(!mayStart)
        // Its end is later than the dial's decision.
        dials.willEnd(id(4), of: route)
        dials.ended(id(1), of: route)
        #expect(dials.takeFree().isEmpty)
        dials.ended(id(2), of: route)
        #expect(dials.takeFree() == [dial(3, route)])
        #expect(dials.takeFree().isEmpty)
    }

    @Test func freeDialsComeInTheOrderOfTheirDecisions() throws {
        var dials = HeldDials(CapLimits(EngineTuning.Pool()))
        let (one, two) = (try route(1), try route(2))
        for route in [one, two] { dials.willEnd(id(route == one ? 1 : 2), of: route) }
        for (number, route) in [(3, two), (4, one), (5, two)] as [(UInt64, Route)] {
            let mayStart = dials.mayStart(dial(number, route))
            #expect(!mayStart)
        }
        dials.ended(id(2), of: two)
        #expect(dials.takeFree() == [dial(3, two), dial(5, two)])
        dials.ended(id(1), of: one)
        #expect(dials.takeFree() == [dial(4, one)])
    }

    @Test func anEndThatWasNotAwaitedIsIgnored() throws {
        var dials = HeldDials(CapLimits(EngineTuning.Pool()))
        let route = try route(1)
        dials.ended(id(1), of: route)
        dials.willEnd(id(2), of: route)
        dials.ended(id(1), of: route)
        let mayStart = dials.mayStart(dial(3, route))
        #expect(!mayStart)
        dials.ended(id(2), of: route)
        #expect(dials.takeFree() == [dial(3, route)])
    }

    @Test func aRouteThatHasEndedAllHoldsNoDialAnyMore() throws {
        var dials = HeldDials(CapLimits(EngineTuning.Pool()))
        let route = try route(1)
        dials.willEnd(id(1), of: route)
        dials.ended(id(1), of: route)
        let mayStart = dials.mayStart(dial(2, route))
        #expect(mayStart)
    }

    // MARK: Caps over routes

    private func capped(_ number: Int, scope: String) throws -> Route {
        Route(
            origin: try Origin(scheme: .http, host: "host-\(number)"),
            isolation: IsolationScope(scope))
    }

    private func dials(perOrigin: Int, engine: Int? = nil) -> HeldDials {
        var pool = EngineTuning.Pool()
        pool.maxConnectionsPerOrigin = perOrigin
        pool.maxConnections = engine
        return HeldDials(CapLimits(pool))
    }

    @Test func aDialWaitsForTheEndOfTheConnectionThatLeavesItsPlace() throws {
        var dials = dials(perOrigin: 1)
        let (one, two) = (try capped(1, scope: "a"), try capped(1, scope: "b"))
        let starts = dials.mayStart(dial(1, one))
        #expect(starts)
        // The machine has the connection closed, and decides on a dial of another route.
        dials.willEnd(id(1), of: one)
        let isEarly = dials.mayStart(dial(2, two))
        #expect(!isEarly)
        #expect(dials.takeFree().isEmpty)
        dials.ended(id(1), of: one)
        #expect(dials.takeFree().isEmpty, "the dial is over, and its connection is open")
        dials.closed(one)
        #expect(dials.takeFree() == [dial(2, two)])
    }

    @Test func aDialBelowItsCapsWaitsForNoOtherRoute() throws {
        var dials = dials(perOrigin: 2)
        let (one, two) = (try capped(1, scope: "a"), try capped(1, scope: "b"))
        let starts = dials.mayStart(dial(1, one))
        dials.willEnd(id(1), of: one)
        let startsToo = dials.mayStart(dial(2, two))
        #expect(starts && startsToo)
    }

    @Test func aDialThatIsHeldByOneCapLeavesTheOthersPlaceToTheNext() throws {
        var dials = dials(perOrigin: 1, engine: 2)
        let first = dials.mayStart(dial(1, try capped(1, scope: "a")))
        let second = dials.mayStart(dial(2, try capped(1, scope: "b")))
        let other = dials.mayStart(dial(3, try capped(2, scope: "a")))
        #expect(first && !second && other)
        dials.closed(try capped(1, scope: "a"))
        #expect(dials.takeFree() == [dial(2, try capped(1, scope: "b"))])
        let third = dials.mayStart(dial(4, try capped(3, scope: "a")))
        #expect(!third, "the engine's cap is full")
        dials.closed(try capped(2, scope: "a"))
        #expect(dials.takeFree() == [dial(4, try capped(3, scope: "a"))])
    }
}
