import ApusCore
import ApusPool
import Testing

/// Caps over routes: of the engine, of an origin, of a proxy.
@Suite struct PoolMachineCapsTests {
    private func scoped(_ number: Int, _ host: String = "a.test") throws -> Route {
        try Routes.plain(host, scope: "\(number)")
    }

    private func cause(_ driver: PoolDriver, _ waiter: WaiterID) -> WaitCause? {
        driver.pool.waitCause(of: waiter)
    }

    @Test func anOriginsCapCountsOverScopes() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 2 }
        let waiters = try (0..<4).map { try #require(driver.wait(try scoped($0))) }
        #expect(driver.dials.count == 2)
        #expect(
            waiters.map { cause(driver, $0) }
                == [.dial, .dial, .connectionsPerOrigin, .connectionsPerOrigin])
        // Another origin has places of its own.
        #expect(driver.wait(try scoped(0, "b.test")) != nil)
        #expect(driver.dials.count == 3)
        let entries = driver.pool.snapshot(now: driver.now).caps.map {
            "\($0.key): \($0.connections) of \($0.limit), \($0.waiting) waiting"
        }
        #expect(
            entries.sorted()
                == ["http://a.test: 2 of 2, 2 waiting", "http://b.test: 1 of 2, 0 waiting"])
    }

    @Test func aProxysCapCountsOverOriginsAndCredentials() throws {
        let driver = PoolDriver { $0.maxConnectionsPerProxy = 1 }
        #expect(driver.wait(try Routes.secure("a.test", through: ["http://p:1"])) != nil)
        let other = try #require(
            driver.wait(try Routes.secure("b.test", through: ["http://u:w@p:1"])))
        #expect(cause(driver, other) == .connectionsPerProxy)
        #expect(driver.wait(try Routes.secure("a.test", through: ["http://p:2"])) != nil)
        #expect(driver.wait(Routes.secure("a.test")) != nil)
        #expect(driver.dials.count == 3)
    }

    @Test func theEnginesCapCountsEverything() throws {
        let driver = PoolDriver { $0.maxConnections = 2 }
        #expect(driver.wait(Routes.plain("a.test")) != nil)
        #expect(driver.wait(Routes.secure("b.test")) != nil)
        let third = try #require(driver.wait(Routes.plain("c.test")))
        #expect(cause(driver, third) == .connectionsPerEngine)
        #expect(driver.dials.count == 2)
        driver.fail(driver.dials[0])
        #expect(cause(driver, third) == .dial, "a dial that failed gives its place back")
        #expect(driver.dials.count == 2)
    }

    @Test func theIdleConnectionUsedLongestAgoMakesRoom() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 3 }
        var opened: [ConnectionID] = []
        for scope in 0..<3 { opened += driver.open(try scoped(scope), 1) }
        for index in [1, 0, 2] {
            driver.pass(.milliseconds(1))
            driver.release(opened[index])
        }
        for (scope, expected) in [(3, 1), (4, 0), (5, 2)] {
            let waiter = try #require(driver.wait(try scoped(scope)))
            #expect(cause(driver, waiter) == .dial)
            #expect(
                driver.takeCloses() == [.init(connection: opened[expected], reason: .evicted)])
        }
        let last = try #require(driver.wait(try scoped(6)))
        #expect(cause(driver, last) == .connectionsPerOrigin)
        #expect(driver.takeCloses().isEmpty)
    }

    @Test func aReleasedConnectionOfAnotherRouteMakesRoomForTheOldestWaiter() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 1 }
        let held = driver.open(try scoped(0), 1)[0]
        let waiters = try (1..<4).map { try #require(driver.wait(try scoped($0))) }
        for waiter in waiters {
            let connection = driver.grants.last?.connection ?? held
            driver.release(connection)
            #expect(driver.takeCloses() == [.init(connection: connection, reason: .evicted)])
            #expect(driver.dials.count == 1)
            driver.establish(driver.dials[0])
            #expect(driver.grants.last?.waiter == waiter)
        }
    }

    @Test func aCallerOfTheRouteThatCameLaterLeavesTheConnectionToTheOlderOne() throws {
        let driver = PoolDriver { $0.maxConnections = 1 }
        let (busy, other) = (try scoped(0), try scoped(1))
        let held = driver.open(busy, 1)[0]
        driver.grants = []
        let older = try #require(driver.wait(busy))
        let stranger = try #require(driver.wait(other))
        let younger = try #require(driver.wait(busy))
        driver.release(held)
        #expect(driver.grants.map(\.waiter) == [older], "it came first, and needs no dial")
        driver.release(held)
        #expect(driver.takeCloses().map(\.connection) == [held])
        #expect(cause(driver, stranger) == .dial)
        #expect(cause(driver, younger) == .connectionsPerEngine)
        driver.establish(driver.dials[0])
        #expect(driver.grants.last?.waiter == stranger)
        driver.release(try #require(driver.grants.last?.connection))
        driver.establish(try #require(driver.dials.first))
        #expect(driver.grants.last?.waiter == younger)
    }

    @Test func aCallerThatWantsItsOwnHasAnIdleConnectionOfItsRouteClosed() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 1 }
        let held = driver.open(try scoped(0), 1)[0]
        let waiter = try #require(driver.wait(try scoped(0), .fresh))
        #expect(cause(driver, waiter) == .connectionsPerOrigin)
        driver.release(held)
        #expect(driver.takeCloses().map(\.connection) == [held])
        driver.establish(driver.dials[0])
        #expect(driver.grants.last?.waiter == waiter)
    }

    @Test func aWaiterTakesRoomOnAConnectionOfItsOwnRoute() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 1 }
        let route = Routes.secure("a.test")
        _ = driver.wait(route)
        let connection = driver.dials[0]
        driver.establish(connection, capacity: 2)
        #expect(driver.take(route) == connection)
        let waiter = try #require(driver.wait(route))
        #expect(cause(driver, waiter) == .connectionsPerOrigin)
        driver.hear(connection, 3)
        #expect(driver.grants.last?.waiter == waiter)
        #expect(driver.take(route) == nil)
        #expect(driver.dials.isEmpty)
    }

    @Test func aWaiterBlockedByAProxyHoldsUpNoOther() throws {
        let driver = PoolDriver {
            $0.maxConnections = 3
            $0.maxConnectionsPerProxy = 1
        }
        #expect(driver.wait(try Routes.secure("a.test", through: ["http://p:1"])) != nil)
        let blocked = try #require(
            driver.wait(try Routes.secure("b.test", through: ["http://p:1"])))
        let free = try #require(driver.wait(Routes.secure("c.test")))
        #expect(cause(driver, blocked) == .connectionsPerProxy)
        #expect(cause(driver, free) == .dial)
    }

    @Test func aDialTakesAPlaceUnderEachCapOrNone() throws {
        let driver = PoolDriver {
            $0.maxConnectionsPerOrigin = 1
            $0.maxConnectionsPerProxy = 1
        }
        let direct = driver.open(Routes.plain("a.test"), 1)[0]
        let proxied = driver.open(try Routes.plain("b.test", through: ["http://p:1"]), 1)[0]
        // The proxy's place becomes free, the origin's does not: nothing is closed in vain.
        let waiter = try #require(driver.wait(try Routes.plain("a.test", through: ["http://p:1"])))
        driver.release(proxied)
        #expect(driver.takeCloses().isEmpty)
        #expect(cause(driver, waiter) == .connectionsPerOrigin)
        // Another caller may use the place meanwhile.
        #expect(driver.take(try Routes.plain("b.test", through: ["http://p:1"])) == proxied)
        driver.release(direct)
        #expect(driver.takeCloses().isEmpty)
        #expect(cause(driver, waiter) == .connectionsPerProxy)
        driver.release(proxied)
        #expect(Set(driver.takeCloses().map(\.connection)) == [direct, proxied])
        #expect(cause(driver, waiter) == .dial)
        #expect(driver.pool.counts.connections == 1)
    }

    @Test func oneConnectionMakesRoomUnderSeveralCaps() throws {
        let driver = PoolDriver {
            $0.maxConnections = 1
            $0.maxConnectionsPerOrigin = 1
            $0.maxConnectionsPerProxy = 1
        }
        let route = try Routes.plain("a.test", through: ["http://p:1"], scope: "1")
        let held = driver.open(route, 1)[0]
        driver.release(held)
        #expect(driver.wait(try Routes.plain("a.test", through: ["http://p:1"])) != nil)
        #expect(driver.takeCloses().map(\.connection) == [held])
        #expect(driver.dials.count == 1)
    }

    @Test func aConnectionClosedForOneCapLeavesItsPlaceUnderAnother() throws {
        let driver = PoolDriver {
            $0.maxConnectionsPerOrigin = 1
            $0.maxConnectionsPerProxy = 1
        }
        let busy = driver.open(try Routes.plain("a.test", through: ["http://p:1"]), 1)[0]
        let sameOrigin = try #require(driver.wait(Routes.plain("a.test")))
        let sameProxy = try #require(
            driver.wait(try Routes.plain("b.test", through: ["http://p:1"])))
        driver.release(busy)
        #expect(driver.takeCloses().map(\.connection) == [busy])
        #expect(cause(driver, sameOrigin) == .dial)
        #expect(cause(driver, sameProxy) == .dial)
    }

    @Test func aCancelledWaiterLeavesTheQueue() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 1 }
        let held = driver.open(try scoped(0), 1)[0]
        let waiters = try (1..<4).map { try #require(driver.wait(try scoped($0))) }
        #expect(driver.cancel(waiters[0]))
        driver.release(held)
        #expect(cause(driver, waiters[1]) == .dial)
        #expect(driver.cancel(waiters[1]))
        // Its dial has a grace, and then its place is free.
        #expect(cause(driver, waiters[2]) == .connectionsPerOrigin)
        driver.pass(.seconds(1))
        driver.tick()
        #expect(cause(driver, waiters[2]) == .dial)
    }

    @Test func aSecondDialBesideASlowOneTakesAPlaceOrIsNotMade() throws {
        for (cap, dials) in [(1, 1), (2, 2)] {
            let driver = PoolDriver {
                $0.maxConnectionsPerOrigin = cap
                $0.hedgeDelay = .milliseconds(300)
            }
            let route = Routes.secure("a.test")
            let waiters = try (0..<2).map { _ in try #require(driver.wait(route)) }
            driver.pass(.milliseconds(300))
            driver.tick()
            #expect(driver.dials.count == dials)
            #expect(waiters.allSatisfy { cause(driver, $0) == .dial })
        }
    }

    @Test func aSecondDialHasNoConnectionClosed() throws {
        let driver = PoolDriver {
            $0.maxConnections = 2
            $0.hedgeDelay = .milliseconds(300)
        }
        let idle = driver.open(Routes.plain("b.test"), 1)[0]
        driver.release(idle)
        for _ in 0..<2 { _ = driver.wait(Routes.secure("a.test")) }
        driver.pass(.milliseconds(300))
        driver.tick()
        #expect(driver.dials.count == 1)
        #expect(driver.takeCloses().isEmpty)
    }

    @Test func prewarmingFillsTheCapAndClosesNothing() throws {
        let driver = PoolDriver { $0.maxConnections = 3 }
        let idle = driver.open(Routes.plain("b.test"), 1)[0]
        driver.release(idle)
        let actions = driver.pool.prewarm(Routes.plain("a.test"), connections: 8, now: driver.now)
        driver.perform(actions)
        #expect(driver.dials.count == 2)
        #expect(driver.takeCloses().isEmpty)
        // A connection made ahead makes room like any other.
        driver.establish(driver.dials[0])
        #expect(driver.take(Routes.plain("b.test")) == idle)
        #expect(driver.wait(Routes.plain("c.test")) != nil)
        #expect(driver.takeCloses().count == 1)
    }

    @Test func aDialAtTheLimitOfItsRouteUsesTheRoomOfItsOwnRoute() throws {
        let driver = PoolDriver {
            $0.maxConnections = 2
            $0.maxConnectionsPerHost = 1
        }
        let (own, other) = (try scoped(0), try scoped(1))
        let (mine, theirs) = (driver.open(own, 1)[0], driver.open(other, 1)[0])
        driver.release(theirs)
        driver.pass(.milliseconds(1))
        driver.release(mine)
        #expect(driver.wait(own, .fresh) != nil)
        #expect(driver.takeCloses().map(\.connection) == [mine])
        #expect(driver.take(other) == theirs)
    }

    @Test func peersThatAllowNothingDoNotTakeTurns() throws {
        let driver = PoolDriver { $0.maxConnections = 1 }
        _ = driver.wait(Routes.secure("a.test"))
        let younger = try #require(driver.wait(Routes.secure("b.test")))
        driver.establish(driver.dials[0], capacity: 0)
        #expect(driver.takeCloses().isEmpty)
        #expect(driver.dials.isEmpty)
        #expect(cause(driver, younger) == .connectionsPerEngine)
    }

    @Test func shuttingDownFailsThoseWhoWaitForAPlace() throws {
        let driver = PoolDriver { $0.maxConnections = 1 }
        let held = driver.open(try scoped(0), 1)[0]
        let waiters = try (1..<3).map { try #require(driver.wait(try scoped($0))) }
        driver.perform(driver.pool.shutDown(now: driver.now))
        #expect(driver.failures == waiters.map { .init(waiter: $0, cause: .shutDown) })
        driver.release(held)
        #expect(driver.dials.isEmpty)
        #expect(driver.pool.counts == PoolCounts())
        #expect(driver.pool.snapshot(now: driver.now).caps.isEmpty)
    }

    @Test func drainingConnectionsKeepTheirPlaceUntilTheyEnd() throws {
        let driver = PoolDriver { $0.maxConnectionsPerOrigin = 1 }
        let held = driver.open(try scoped(0), 1)[0]
        let waiter = try #require(driver.wait(try scoped(1)))
        driver.drain(held, .goAway)
        #expect(cause(driver, waiter) == .connectionsPerOrigin)
        driver.release(held)
        #expect(cause(driver, waiter) == .dial)
    }
}
