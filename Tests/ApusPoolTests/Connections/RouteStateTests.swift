import ApusCore
import Testing

@testable import ApusPool

@Suite struct RouteStateTests {
    /// A route with so many pooled callers, the first `dialled` of them with a dial.
    private static func state(
        _ route: Route, waiting: Int, dialled: Int = 0
    ) -> (RouteState, WaiterTable) {
        var (state, table) = (RouteState(route), WaiterTable())
        for number in 0..<waiting {
            let waiter = table.add(.pooled, isPatient: false, route: 0)
            state.queue.append(waiter, in: &table)
            if number < dialled { state.queue.match(waiter, with: number, in: &table) }
        }
        state.dials = dialled
        state.sharedDials = dialled
        state.connections = dialled
        return (state, table)
    }

    private static func limits(
        _ change: (inout EngineTuning.Pool) -> Void = { _ in }
    ) -> PoolLimits {
        var tuning = EngineTuning.Pool()
        change(&tuning)
        return PoolLimits(tuning, http2: EngineTuning.HTTP2())
    }

    @Test func onlyWaitersWithoutADialAreQueued() {
        #expect(Self.state(Routes.plain(), waiting: 3, dialled: 2).0.queued == 1)
        // A shared dial without a waiter will serve one of them.
        var (state, _) = Self.state(Routes.plain(), waiting: 3, dialled: 1)
        state.sharedDials += 1
        #expect(state.queued == 1)
    }

    @Test func aRouteIsEmptyWithoutConnectionsAndWaiters() {
        #expect(RouteState(Routes.plain()).isEmpty)
        #expect(!Self.state(Routes.plain(), waiting: 1).0.isEmpty)
        var state = RouteState(Routes.plain())
        state.connections = 1
        #expect(!state.isEmpty)
    }

    @Test func eachWaiterOfAnHTTP1RouteWantsADial() {
        let (state, table) = Self.state(Routes.plain(), waiting: 3, dialled: 2)
        #expect(state.wantsDial(Self.limits(), 0))
        #expect(state.nextToDial(table, Self.limits(), 0) == state.queue.firstUndialled)
        let (served, _) = Self.state(Routes.plain(), waiting: 2, dialled: 2)
        #expect(!served.wantsDial(Self.limits(), 0))
    }

    @Test func oneDialIsExpectedToServeARouteThatMayMultiplex() {
        let (state, _) = Self.state(Routes.secure(), waiting: 3, dialled: 1)
        #expect(!state.wantsDial(Self.limits { $0.hedgeDelay = nil }, 0))
    }

    @Test func noDialStartsAtTheLimits() {
        let (state, table) = Self.state(Routes.plain(), waiting: 3, dialled: 2)
        #expect(state.nextToDial(table, Self.limits { $0.maxDialsPerHost = 2 }, 0) == nil)
        #expect(state.nextToDial(table, Self.limits { $0.maxConnectionsPerHost = 2 }, 0) == nil)
    }

    @Test func theOlderOfThePooledAndTheOwnWaiterIsNext() {
        var (state, table) = (RouteState(Routes.plain()), WaiterTable())
        let own = table.add(.fresh, isPatient: false, route: 0)
        state.queue.append(own, in: &table)
        let pooled = table.add(.pooled, isPatient: false, route: 0)
        state.queue.append(pooled, in: &table)
        #expect(state.nextToDial(table, Self.limits(), 0) == own)
        state.queue.match(own, with: 0, in: &table)
        #expect(state.nextToDial(table, Self.limits(), 0) == pooled)
    }
}
