import ApusCore
import ApusPool
import Testing

@Suite struct PoolMachineWholeTests {
    @Test func idleConnectionsAreClosedWhenTheirTimeIsOver() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain(), 2)
        driver.release(opened[0])
        driver.pass(.seconds(30))
        driver.release(opened[1])
        driver.pass(.seconds(60) - .nanoseconds(1))
        driver.tick()
        #expect(driver.closes.isEmpty)
        driver.pass(.nanoseconds(1))
        #expect(driver.pool.nextDeadline == driver.now)
        driver.tick()
        #expect(driver.closes == [.init(connection: opened[0], reason: .idleTimeout)])
        driver.pass(.seconds(30))
        driver.tick()
        #expect(driver.closes.count == 2)
        #expect(driver.pool.nextDeadline == nil)
    }

    @Test func useMovesTheDeadlineAndTheNextOneIsNeverTooLate() throws {
        let driver = PoolDriver()
        let connection = driver.open(Routes.plain(), 1)[0]
        for _ in 0..<10 {
            driver.release(connection)
            let next = driver.pool.nextDeadline
            let deadline = try #require(next)
            #expect(deadline <= driver.now.advanced(by: .seconds(90)))
            driver.pass(.seconds(80))
            driver.tick()
            #expect(driver.take(Routes.plain()) == connection)
        }
        #expect(driver.closes.isEmpty)
    }

    @Test func aLeaseNeverGetsWhatIsPastItsTime() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain(), 2)
        for connection in opened { driver.release(connection) }
        driver.pass(.seconds(90))
        #expect(driver.take(Routes.plain()) == nil)
        #expect(driver.closes.map(\.reason) == [.idleTimeout, .idleTimeout])
        #expect(driver.dials.count == 1)
    }

    @Test(arguments: [(5, 5), (200, 90)])
    func theHintCountsWhereItIsShorter(hint: Int, seconds: Int) {
        let driver = PoolDriver()
        let connection = driver.open(Routes.plain(), 1)[0]
        driver.pool.idleTimeHinted(connection, .seconds(hint))
        driver.release(connection)
        driver.pass(.seconds(seconds) - .nanoseconds(1))
        driver.tick()
        #expect(driver.closes.isEmpty)
        driver.pass(.nanoseconds(1))
        driver.tick()
        #expect(driver.closes == [.init(connection: connection, reason: .idleTimeout)])
    }

    @Test(arguments: [0, -1])
    func aHintOfNothingKeepsNothing(seconds: Int) {
        let driver = PoolDriver { $0.idleTimeout = nil }
        let connection = driver.open(Routes.plain(), 1)[0]
        driver.pool.idleTimeHinted(connection, .seconds(seconds))
        driver.release(connection)
        #expect(driver.closes == [.init(connection: connection, reason: .idleTimeout)])
    }

    @Test func aHintWhileIdleBringsTheDeadlineForward() {
        let driver = PoolDriver()
        let connection = driver.open(Routes.plain(), 1)[0]
        driver.release(connection)
        driver.pass(.seconds(1))
        driver.pool.idleTimeHinted(connection, .seconds(3))
        #expect(driver.pool.nextDeadline == driver.now.advanced(by: .seconds(2)))
    }

    @Test func lifetimeEndsIdleConnectionsAndNewExchanges() {
        let driver = PoolDriver {
            $0.lifetime = .seconds(10)
            $0.idleTimeout = nil
        }
        let opened = driver.open(Routes.plain(), 2)
        driver.release(opened[0])
        driver.pass(.seconds(9) - .nanoseconds(1))
        driver.tick()
        #expect(driver.closes.isEmpty)
        driver.pass(.seconds(1) + .nanoseconds(1))
        driver.tick()
        #expect(driver.takeCloses() == [.init(connection: opened[0], reason: .lifetime)])
        driver.release(opened[1])
        #expect(driver.takeCloses() == [.init(connection: opened[1], reason: .lifetime)])
    }

    @Test func aSharedConnectionPastItsLifetimeFinishesWhatItCarries() {
        let driver = PoolDriver { $0.lifetime = .seconds(10) }
        for _ in 0..<2 { _ = driver.wait(Routes.secure()) }
        let old = driver.dials[0]
        driver.establish(old, capacity: 10)
        driver.pass(.seconds(10))
        #expect(driver.take(Routes.secure()) == nil)
        #expect(driver.dials.count == 1)
        driver.release(old)
        #expect(driver.closes.isEmpty)
        driver.release(old)
        #expect(driver.closes == [.init(connection: old, reason: .lifetime)])
    }

    @Test func lifetimesAreSpread() {
        let driver = PoolDriver {
            $0.lifetime = .seconds(100)
            $0.idleTimeout = nil
            $0.maxIdlePerHost = nil
        }
        for connection in driver.open(Routes.plain(), 50) { driver.release(connection) }
        var instants: Set<Deadline> = []
        while let next = driver.pool.nextDeadline {
            instants.insert(next)
            driver.now = next
            driver.tick()
        }
        #expect(instants.count > 40)
        #expect(driver.now <= Deadline(nanoseconds: 100_000_000_000))
        #expect(driver.closes.count == 50)
    }

    @Test func prewarmingStartsNoMoreDialsInOneStepThanAllowed() {
        let driver = PoolDriver()
        for (asked, dials) in [(3, 3), (3, 5), (3, 5)] {
            driver.perform(
                driver.pool.prewarm(
                    Routes.plain(), connections: 5, dials: asked, now: driver.now))
            #expect(driver.dials.count == dials)
        }
    }

    @Test func prewarmingDialsWhatTheLimitsAllow() {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 3 }
        driver.perform(driver.pool.prewarm(Routes.plain(), connections: 5, now: driver.now))
        #expect(driver.dials.count == 3)
        driver.perform(driver.pool.prewarm(Routes.secure(), connections: 5, now: driver.now))
        #expect(driver.dials.count == 4)
        // A caller who comes meanwhile is served by what is on its way.
        _ = driver.wait(Routes.plain())
        #expect(driver.dials.count == 4)
        for dial in driver.dials { driver.establish(dial) }
        #expect(driver.pool.counts.idle == 3)
        #expect(driver.grants.count == 1)
    }

    @Test(arguments: [(3, nil, 3), (nil, 2, 2), (0, nil, 0)] as [(Int?, Int?, Int)])
    func prewarmingDialsNoMoreThanMayBeIdle(perHost: Int?, inAll: Int?, dials: Int) {
        let driver = PoolDriver {
            $0.maxIdlePerHost = perHost
            $0.maxIdle = inAll
        }
        driver.perform(driver.pool.prewarm(Routes.plain(), connections: 5, now: driver.now))
        #expect(driver.dials.count == dials)
        for dial in driver.dials { driver.establish(dial) }
        #expect(driver.pool.counts.idle == dials)
        #expect(driver.closes.isEmpty)
        driver.perform(driver.pool.prewarm(Routes.plain(), connections: 5, now: driver.now))
        #expect(driver.dials.isEmpty, "established connections count")
    }

    @Test func evictingClosesWhatWasIdleLongest() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain("a.test"), 1) + driver.open(Routes.plain("b.test"), 1)
        for connection in opened { driver.release(connection) }
        driver.perform(driver.pool.closeIdle(.evicted, most: 1, now: driver.now))
        #expect(driver.closes == [.init(connection: opened[0], reason: .evicted)])
        driver.perform(driver.pool.closeIdle(.evicted, most: 1, now: driver.now))
        driver.closes = []
        driver.perform(driver.pool.closeIdle(.evicted, most: 1, now: driver.now))
        #expect(driver.closes.isEmpty)
    }

    @Test func afterASleepAllThatIsIdleIsClosedAndSaysWhy() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain("a.test"), 2)
        driver.release(opened[0])
        driver.perform(driver.pool.closeIdle(.systemSlept, most: .max, now: driver.now))
        #expect(driver.closes == [.init(connection: opened[0], reason: .systemSlept)])
    }

    @Test func drainingByPredicateTouchesNoOtherRoute() {
        let driver = PoolDriver()
        let first = driver.open(Routes.plain("a.test"), 2)
        let second = driver.open(Routes.plain("b.test"), 1)
        for connection in [first[0], second[0]] { driver.release(connection) }
        #expect(Set(driver.pool.knownRoutes) == [Routes.plain("a.test"), Routes.plain("b.test")])
        driver.perform(
            driver.pool.drainAll(
                of: [Routes.plain("a.test")], reason: .retired, now: driver.now))
        #expect(driver.takeCloses() == [.init(connection: first[0], reason: .retired)])
        driver.release(first[1])
        #expect(driver.takeCloses() == [.init(connection: first[1], reason: .retired)])
        #expect(driver.take(Routes.plain("b.test")) == second[0])
    }

    @Test func shutDownRefusesFailsAndLetsExchangesFinish() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 3 }
        let opened = driver.open(Routes.plain(), 2)
        driver.release(opened[0])
        let fresh = try #require(driver.wait(Routes.plain(), .fresh))
        let another = try #require(driver.wait(Routes.plain(), .fresh))
        let last = try #require(driver.wait(Routes.plain(), .oneShot))
        driver.closes = []
        let dials = driver.dials
        driver.perform(driver.pool.shutDown(now: driver.now))
        #expect(
            Set(driver.failures)
                == Set([fresh, another, last].map { .init(waiter: $0, cause: .shutDown) }))
        #expect(Set(driver.closes) == Set(dials.map { .init(connection: $0, reason: .shutdown) }))
        #expect(driver.lease(Routes.plain()) == .refused(.shutDown))
        #expect(driver.pool.counts.connections == 1)
        driver.closes = []
        driver.release(opened[1])
        #expect(driver.closes == [.init(connection: opened[1], reason: .shutdown)])
        #expect(driver.pool.counts == PoolCounts())
        let again = driver.pool.shutDown(now: driver.now)
        #expect(again.isEmpty)
        let warmth = driver.pool.prewarm(Routes.plain(), connections: 1, now: driver.now)
        #expect(warmth.isEmpty)
    }
}
