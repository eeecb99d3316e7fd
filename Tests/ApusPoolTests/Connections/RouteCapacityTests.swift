import ApusCore
import Testing

@testable import ApusPool

@Suite struct RouteCapacityTests {
    private static func connection(
        _ capacity: Int, _ sharing: ConnectionSlot.Open.Sharing
    ) -> ConnectionSlot.Open {
        ConnectionSlot.Open(
            number: 1, route: 0, capacity: capacity, sharing: sharing, owner: nil, loop: 0)
    }

    @Test(arguments: [
        (Routes.plain(), false), (Routes.secure(), true),
        (Routes.route(.https, "a.test", .http1Only(alpn: .http1)), false),
        (Routes.route(.http, "a.test", .http2Only), true),
    ])
    func theVersionPolicyDecidesBeforeTheFirstConnection(route: Route, multiplexes: Bool) {
        let capacity = RouteCapacity(of: route)
        #expect(capacity.multiplexes == multiplexes)
        #expect(capacity.expected == (multiplexes ? .max : 1))
    }

    @Test func aConnectionShowsWhatTheNextOneCarries() {
        var capacity = RouteCapacity(of: Routes.secure())
        capacity.learn(Self.connection(7, .multiplexed))
        #expect(capacity.multiplexes && capacity.expected == 7)
        capacity.learn(Self.connection(1, .exclusive))
        #expect(!capacity.multiplexes && capacity.expected == 1)
    }

    @Test func aGuessIsNotRemembered() {
        var capacity = RouteCapacity(of: Routes.secure())
        capacity.learn(Self.connection(7, .multiplexed))
        capacity.learn(Self.connection(1, .unreported))
        #expect(capacity.multiplexes && capacity.expected == 7)
    }

    @Test func aPeerThatAllowsNothingIsNotDialledMore() {
        var capacity = RouteCapacity(of: Routes.secure())
        capacity.learn(Self.connection(0, .multiplexed))
        #expect(capacity.expected == .max)
    }
}
