import ApusCore
import ApusPool
import Testing

@Suite struct PoolMachineWaitersTests {
    @Test func whileTheProtocolIsUnknownOneDialServesAllWaiters() {
        let driver = PoolDriver()
        for _ in 0..<20 { _ = driver.wait(Routes.secure()) }
        #expect(driver.dials.count == 1)
        driver.establish(driver.dials[0], capacity: 100)
        #expect(driver.grants.count == 20)
        #expect(driver.dials.isEmpty)
    }

    @Test func capacityOneStartsADialForEachRemainingWaiter() {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 8 }
        for _ in 0..<20 { _ = driver.wait(Routes.secure()) }
        driver.establish(driver.dials[0])
        #expect(driver.grants.count == 1)
        #expect(driver.dials.count == 7)
        #expect(
            driver.pool.description(of: Routes.secure())
                == "https://secure.test: 1 leased, 0 idle, 7 dialling, "
                + "19 waiting for: connections per host")
    }

    @Test(arguments: [
        (Routes.plain(), 5), (Routes.secure(), 1),
        (Routes.route(.https, "a.test", .http1Only(alpn: .http1)), 5),
        (Routes.route(.http, "a.test", .http2Only), 1),
        (Routes.route(.https, "a.test", .http2Only), 1),
    ])
    func policySaysHowManyDialsFiveCallersStart(route: Route, dials: Int) {
        let driver = PoolDriver()
        for _ in 0..<5 { _ = driver.wait(route) }
        #expect(driver.dials.count == dials)
    }

    @Test func multiplexedRouteGrowsWhenFullUpToItsLimit() {
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = 3
        let driver = PoolDriver(http2: http2)
        for _ in 0..<10 { _ = driver.wait(Routes.secure()) }
        driver.establish(driver.dials[0], capacity: 2)
        #expect(driver.dials.count == 2)
        while let dial = driver.dials.first { driver.establish(dial, capacity: 2) }
        #expect(driver.grants.count == 6)
        #expect(driver.pool.counts.connections == 3)
        #expect(
            driver.pool.description
                == "https://secure.test: 3 leased, 0 idle, 0 dialling, "
                + "4 waiting for: shared connections per host")
    }

    @Test func aDrainingConnectionDoesNotKeepItsRouteFromGrowing() {
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = 1
        let driver = PoolDriver(http2: http2)
        _ = driver.wait(Routes.secure())
        let first = driver.dials[0]
        driver.establish(first, capacity: 2)
        driver.drain(first, .goAway)
        _ = driver.wait(Routes.secure())
        #expect(driver.dials.count == 1)
    }

    @Test func aBurstOfDialsThatMeetsMultiplexingKeepsWhatTheLimitAllows() {
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = 2
        let driver = PoolDriver(http2: http2)
        _ = driver.open(Routes.secure(), 1)
        for _ in 0..<6 { _ = driver.wait(Routes.secure()) }
        #expect(driver.dials.count == 6)
        while let dial = driver.dials.first { driver.establish(dial, capacity: 100) }
        #expect(driver.grants.count == 7)
        #expect(driver.pool.counts.connections == 3)
        #expect(driver.pool.counters.closes == [.evicted: 4])
    }

    @Test func aFailedDialFailsTheWaiterItWasStartedFor() throws {
        let driver = PoolDriver()
        let waiters = try (0..<3).map { _ in try #require(driver.wait(Routes.plain())) }
        let dials = driver.dials
        driver.fail(dials[1])
        #expect(
            driver.failures == [.init(waiter: waiters[1], cause: .dialFailed(dials[1]))])
        // The first to succeed serves the oldest; the dials that go on are for those who are left.
        driver.establish(dials[2])
        #expect(driver.grants.map(\.waiter) == [waiters[0]])
        driver.fail(dials[0])
        #expect(driver.failures.last?.waiter == waiters[2])
        #expect(driver.pool.counts.waiting == 0)
    }

    @Test func aFailedDialWhoseWaiterWasServedFailsNoOther() {
        let driver = PoolDriver()
        let connection = driver.open(Routes.plain(), 1)[0]
        _ = driver.wait(Routes.plain())
        driver.release(connection)
        #expect(driver.grants.count == 2)
        driver.fail(driver.dials[0])
        #expect(driver.failures.isEmpty)
    }

    @Test func afterAFailedDialTheNextIsStartedForThoseWhoCameLater() throws {
        let driver = PoolDriver()
        let waiters = try (0..<3).map { _ in try #require(driver.wait(Routes.secure())) }
        driver.fail(driver.dials[0])
        #expect(driver.failures.map(\.waiter) == [waiters[0]])
        #expect(driver.dials.count == 1)
        driver.establish(driver.dials[0], capacity: 10)
        #expect(driver.grants.map(\.waiter) == Array(waiters[1...]))
    }

    @Test func aDialOutlivesItsWaiterAndFeedsThePool() throws {
        let driver = PoolDriver()
        let waiter = try #require(driver.wait(Routes.plain()))
        #expect(driver.cancel(waiter))
        let dial = driver.dials[0]
        driver.pass(.milliseconds(999))
        driver.tick()
        driver.establish(dial)
        #expect(driver.pool.counts.idle == 1)
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.lease(Routes.plain()) == .leased(dial, isReused: false))
    }

    @Test func freshDialsThoughOthersAreIdleAndJoinsThePool() {
        let driver = PoolDriver()
        let old = driver.open(Routes.plain(), 1)[0]
        driver.release(old)
        _ = driver.wait(Routes.plain(), .fresh)
        let fresh = driver.dials[0]
        driver.establish(fresh)
        #expect(driver.grants.last?.connection == fresh)
        driver.release(fresh)
        #expect(driver.pool.counts.idle == 2)
    }

    @Test(arguments: [1, 10])
    func aOneShotConnectionCarriesOneExchangeAndIsThenClosed(capacity: Int) throws {
        let driver = PoolDriver()
        _ = driver.wait(Routes.secure(), .oneShot)
        let connection = driver.dials[0]
        driver.establish(connection, capacity: capacity)
        #expect(driver.grants.count == 1)
        #expect(driver.take(Routes.secure()) == nil)
        driver.release(connection)
        #expect(driver.closes == [.init(connection: connection, reason: .notPooled)])
    }

    @Test func aConnectionDialledForOneCallerServesThatCallerFirst() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let fresh = try #require(driver.wait(Routes.plain(), .fresh))
        let pooled = try #require(driver.wait(Routes.plain()))
        let connection = driver.dials[0]
        driver.establish(connection)
        #expect(driver.grants.map(\.waiter) == [fresh])
        driver.release(connection)
        #expect(driver.grants.map(\.waiter) == [fresh, pooled])
    }

    @Test func atTheLimitOfConnectionsAnIdleOneGoesForAFresh() {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 2 }
        let opened = driver.open(Routes.plain(), 2)
        for connection in opened { driver.release(connection) }
        _ = driver.wait(Routes.plain(), .fresh)
        #expect(driver.closes == [.init(connection: opened[0], reason: .evicted)])
        #expect(driver.dials.count == 1)
        #expect(driver.pool.counts.connections == 2)
    }

    @Test func atTheLimitAFreshWaiterIsNotOvertaken() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let connection = driver.open(Routes.plain(), 1)[0]
        let fresh = try #require(driver.wait(Routes.plain(), .fresh))
        let pooled = try #require(driver.wait(Routes.plain()))
        driver.release(connection)
        #expect(driver.closes == [.init(connection: connection, reason: .evicted)])
        let dial = try #require(driver.dials.first)
        driver.establish(dial)
        driver.release(dial)
        #expect(driver.grants.map(\.waiter).suffix(2) == [fresh, pooled])
    }

    @Test(arguments: [Reuse.pooled, .fresh])
    func anUnwantedDialIsGivenUpAfterItsGrace(_ reuse: Reuse) throws {
        let driver = PoolDriver()
        let waiter = try #require(driver.wait(Routes.plain(), reuse))
        let dial = try #require(driver.dials.first)
        #expect(driver.cancel(waiter))
        #expect(driver.pool.nextDeadline == driver.now.advanced(by: .seconds(1)))
        #expect(driver.closes.isEmpty)
        driver.pass(.seconds(1))
        driver.tick()
        expectGivenUp(dial, driver)
    }

    /// There is no grace, or the connection could serve no other caller.
    @Test(arguments: [(Reuse.pooled, nil), (.oneShot, .seconds(1))] as [(Reuse, Duration?)])
    func anUnwantedDialIsGivenUpAtOnce(_ reuse: Reuse, _ grace: Duration?) throws {
        let driver = PoolDriver { $0.dialGrace = grace }
        let waiter = try #require(driver.wait(Routes.plain(), reuse))
        let dial = try #require(driver.dials.first)
        #expect(driver.cancel(waiter))
        expectGivenUp(dial, driver)
    }

    private func expectGivenUp(_ dial: ConnectionID, _ driver: PoolDriver) {
        #expect(driver.takeCloses() == [.init(connection: dial, reason: .cancelled)])
        #expect(driver.pool.counts == PoolCounts())
        #expect(driver.pool.counters.abandonedDials == 1)
        #expect(driver.pool.counters.closes.isEmpty)
        // It was established before the report of its end: it is closed all the same.
        driver.establish(dial)
        #expect(driver.closes == [.init(connection: dial, reason: .cancelled)])
        #expect(driver.pool.counts == PoolCounts())
        #expect(driver.pool.nextDeadline == nil)
    }

    /// Nor is a second dial started for it.
    @Test func aCallerWithinTheGraceKeepsTheDial() throws {
        let driver = PoolDriver()
        let first = try #require(driver.wait(Routes.secure()))
        #expect(driver.cancel(first))
        let second = try #require(driver.wait(Routes.secure()))
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.closes.isEmpty)
        #expect(driver.dials.count == 1)
        // It has a grace of its own when it goes too.
        #expect(driver.cancel(second))
        #expect(driver.closes.isEmpty)
        let third = try #require(driver.wait(Routes.secure()))
        driver.establish(driver.dials[0])
        #expect(driver.grants.map(\.waiter) == [third])
    }

    @Test func aDialThatIsGivenUpIsNoFailure() throws {
        let driver = PoolDriver {
            $0.dialBackoff = .seconds(1)
            $0.dialGrace = nil
        }
        let waiter = try #require(driver.wait(Routes.plain()))
        #expect(driver.cancel(waiter))
        #expect(driver.wait(Routes.plain()) != nil)
        #expect(driver.dials.count == 1)
    }

    @Test func whatWasPrewarmedIsNotGivenUpWithAWaiter() throws {
        let driver = PoolDriver()
        driver.perform(driver.pool.prewarm(Routes.plain(), connections: 1, now: driver.now))
        let waiter = try #require(driver.wait(Routes.plain()))
        #expect(driver.cancel(waiter))
        #expect(driver.pool.nextDeadline == nil)
        #expect(driver.closes.isEmpty)
        #expect(driver.dials.count == 1)
    }

    @Test func aDialThatIsGivenUpMakesRoomForAnother() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let pooled = try #require(driver.wait(Routes.plain()))
        let fresh = try #require(driver.wait(Routes.plain(), .fresh))
        #expect(driver.cancel(pooled))
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.closes.count == 1)
        driver.establish(try #require(driver.dials.first))
        #expect(driver.grants.map(\.waiter) == [fresh])
    }

    @Test func theDialOfACancelledWaiterServesTheNextWaiter() throws {
        let driver = PoolDriver()
        let waiters = try (0..<3).map { _ in try #require(driver.wait(Routes.secure())) }
        #expect(driver.cancel(waiters[0]))
        #expect(driver.closes.isEmpty)
        driver.establish(driver.dials[0], capacity: 10)
        #expect(driver.grants.map(\.waiter) == Array(waiters[1...]))
    }

    @Test func cancellingAFreshWaiterLeavesItsDialToOthers() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let fresh = try #require(driver.wait(Routes.plain(), .fresh))
        let pooled = try #require(driver.wait(Routes.plain()))
        #expect(driver.cancel(fresh))
        driver.establish(driver.dials[0])
        #expect(driver.grants.map(\.waiter) == [pooled])
    }
}
