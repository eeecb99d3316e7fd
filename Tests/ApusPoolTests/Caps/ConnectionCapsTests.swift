import ApusCore
import ApusPool
import Testing

/// The ledger of the caps: counts, and the order of those who wait.
@Suite struct ConnectionCapsTests {
    /// Three routes: two of origin a, of which the second is through a proxy, as is the third, of
    /// origin b.
    private func ledger(
        engine: Int? = nil, origin: Int? = nil, proxy: Int? = nil
    ) throws -> ConnectionCaps {
        var pool = EngineTuning.Pool()
        pool.maxConnections = engine
        pool.maxConnectionsPerOrigin = origin
        pool.maxConnectionsPerProxy = proxy
        var caps = ConnectionCaps(CapLimits(pool))
        caps.join(0, Routes.secure("a.test"))
        caps.join(1, try Routes.secure("a.test", through: ["http://p:1"]))
        caps.join(2, try Routes.secure("b.test", through: ["http://p:1"]))
        return caps
    }

    private func counts(_ caps: ConnectionCaps) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: caps.entries.map { ($0.key.description, $0.connections) })
    }

    @Test func withoutCapsNothingIsKept() throws {
        var caps = try ledger()
        #expect(caps.areOff)
        #expect(!caps.cover(0))
        caps.take(0)
        caps.give(0)
        #expect(caps.hasRoom(0))
        #expect(caps.cap(of: 0) == nil)
        #expect(caps.entries.isEmpty)
        caps.leave(0)
    }

    @Test func aConnectionCountsUnderEachCapOfItsRoute() throws {
        var caps = try ledger(engine: 9, origin: 9, proxy: 9)
        for route in [0, 1, 1, 2] { caps.take(route) }
        #expect(
            counts(caps)
                == ["engine": 4, "https://a.test": 3, "https://b.test": 1, "http://p:1": 3])
        caps.give(1)
        #expect(
            counts(caps)
                == ["engine": 3, "https://a.test": 2, "https://b.test": 1, "http://p:1": 2])
    }

    @Test func aRouteHasRoomWhileNoneOfItsCapsIsFull() throws {
        var caps = try ledger(engine: 3, origin: 2, proxy: 1)
        caps.take(1)
        #expect(caps.hasRoom(0))
        #expect(!caps.hasRoom(1), "the proxy's cap is full")
        #expect(!caps.hasRoom(2), "the proxy's cap is full")
        caps.take(0)
        #expect(!caps.hasRoom(0), "the origin's cap is full")
        caps.give(1)
        #expect(caps.hasRoom(0) && caps.hasRoom(1) && caps.hasRoom(2))
    }

    @Test func aCapThatNoRouteHasIsForgotten() throws {
        var caps = try ledger(engine: 9, origin: 9, proxy: 9)
        caps.leave(2)
        #expect(Set(counts(caps).keys) == ["engine", "https://a.test", "http://p:1"])
        caps.leave(1)
        #expect(Set(counts(caps).keys) == ["engine", "https://a.test"])
        caps.leave(0)
        #expect(caps.entries.isEmpty)
        // Their places in the table serve others.
        caps.join(0, Routes.secure("c.test"))
        #expect(counts(caps) == ["engine": 0, "https://c.test": 0])
    }

    @Test func occupantsAreTheRoutesWithConnections() throws {
        var caps = try ledger(engine: 9)
        let cap = try #require(caps.of(0).first)
        #expect(caps.isOfEngine(cap))
        for route in [0, 2, 2] { caps.take(route) }
        #expect(caps.occupants(of: cap) == [0, 2])
        caps.give(2)
        #expect(caps.occupants(of: cap) == [0, 2])
        caps.give(2)
        #expect(caps.occupants(of: cap) == [0])
    }

    /// Takes every head in turn, as if each had no use for its place any more.
    private func drained(_ caps: inout ConnectionCaps) -> [Int] {
        var order: [Int] = []
        while let head = caps.nextHead() {
            order.append(head.route)
            caps.withdraw(head.route)
        }
        return order
    }

    @Test(arguments: [
        [1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1], [4, 7, 1, 6, 2, 5, 3],
    ])
    func routesAreServedByTheArrivalOfTheirCallers(_ arrivals: [UInt64]) throws {
        var pool = EngineTuning.Pool()
        pool.maxConnections = 1
        var caps = ConnectionCaps(CapLimits(pool))
        for (index, arrival) in arrivals.enumerated() {
            caps.join(index, try Routes.secure("a.test", scope: "\(index)"))
            caps.enlist(index, arrival: arrival)
        }
        #expect(caps.waitingRoutes == arrivals.count)
        let early = caps.nextHead()
        #expect(early == nil, "no place has become free")
        caps.lookAt(0)
        let order = drained(&caps)
        #expect(order.map { arrivals[$0] } == [1, 2, 3, 4, 5, 6, 7])
        #expect(caps.waitingRoutes == 0)
    }

    @Test func aRouteThatIsEnlistedAgainKeepsItsCapAndChangesItsArrival() throws {
        var caps = try ledger(engine: 9, proxy: 9)
        let engine = try #require(caps.of(1).last)
        caps.enlist(1, arrival: 1)
        caps.enlist(2, arrival: 2)
        caps.move(1, to: engine)
        caps.enlist(1, arrival: 3)
        #expect(caps.cap(of: 1) == engine)
        #expect(caps.waitingRoutes == 2)
        caps.lookAt(1)
        #expect(drained(&caps) == [2, 1])
    }

    @Test func aCapThatWasSeenIsLookedAtOnceMoreWhenAsked() throws {
        var caps = try ledger(engine: 9)
        caps.enlist(0, arrival: 1)
        caps.lookAt(2)
        let next = caps.nextHead()
        let head = try #require(next)
        #expect(head.route == 0)
        caps.wasSeen(head.cap)
        let seen = caps.nextHead()
        #expect(seen == nil)
        #expect(caps.hasQueue(2))
        caps.lookAt(2)
        let again = caps.nextHead()
        #expect(again == head)
    }

    @Test func aRouteThatLeavesWaitsNoMore() throws {
        var caps = try ledger(engine: 9)
        for route in 0..<3 { caps.enlist(route, arrival: UInt64(route + 1)) }
        caps.leave(1)
        #expect(caps.waitingRoutes == 2)
        caps.lookAt(0)
        #expect(drained(&caps) == [0, 2])
        #expect(!caps.hasQueue(0))
    }
}
