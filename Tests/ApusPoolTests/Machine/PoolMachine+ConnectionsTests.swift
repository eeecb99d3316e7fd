import ApusCore
import ApusPool
import Testing

@Suite struct PoolMachineConnectionsTests {
    @Test func drainingConnectionFinishesAndTakesNoMore() throws {
        let driver = PoolDriver()
        _ = driver.wait(Routes.secure())
        let first = try #require(driver.dials.first)
        driver.establish(first, capacity: 10)
        #expect(driver.take(Routes.secure()) == first)
        driver.drain(first, .goAway)
        #expect(driver.closes.isEmpty)
        #expect(driver.take(Routes.secure()) == nil)
        #expect(driver.dials.count == 1)
        driver.release(first)
        #expect(driver.closes.isEmpty)
        driver.drain(first, .timeout)
        driver.release(first)
        #expect(driver.closes == [.init(connection: first, reason: .goAway)])
    }

    @Test func aConnectionCarriesAsManyRequestsAsItMay() throws {
        let driver = PoolDriver { $0.maxRequestsPerConnection = 3 }
        let first = driver.open(Routes.plain(), 1)[0]
        for _ in 0..<2 {
            driver.release(first)
            #expect(driver.take(Routes.plain()) == first)
        }
        #expect(driver.closes.isEmpty)
        driver.release(first)
        #expect(driver.closes == [.init(connection: first, reason: .exhausted)])
        #expect(driver.take(Routes.plain()) == nil)
        #expect(driver.pool.counters.closes == [.exhausted: 1])
    }

    @Test func aSharedConnectionCountsItsStreamsAndFinishesThem() throws {
        let driver = PoolDriver { $0.maxRequestsPerConnection = 3 }
        let waiters = try (0..<4).map { _ in try #require(driver.wait(Routes.secure())) }
        let first = try #require(driver.dials.first)
        driver.establish(first, capacity: 10)
        #expect(driver.grants.map(\.waiter) == Array(waiters.prefix(3)))
        let second = try #require(driver.dials.first, "the fourth gets another")
        driver.establish(second, capacity: 10)
        #expect(driver.grants.map(\.connection) == [first, first, first, second])
        for left in (0..<3).reversed() {
            driver.release(first)
            #expect(driver.closes.isEmpty == (left > 0))
        }
        #expect(driver.closes == [.init(connection: first, reason: .exhausted)])
    }

    @Test func numbersCountTheDialsOfAnEngine() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain("a.test"), 2) + driver.open(Routes.plain("b.test"), 1)
        #expect(opened.map(\.rawValue) == [1, 2, 3])
        driver.closed(opened[1])
        let next = driver.open(Routes.plain("c.test"), 1)[0]
        #expect("\(next)" == "4", "no number is given twice")
        // What comes late for one that is gone does not meet the next in its place.
        driver.closed(opened[1])
        driver.release(opened[1])
        #expect(driver.pool.counts.connections == 3)
    }

    @Test func drainingAnIdleConnectionClosesIt() {
        let driver = PoolDriver()
        let connection = driver.open(Routes.plain(), 1)[0]
        driver.release(connection)
        driver.drain(connection, .unsolicitedBytes)
        #expect(driver.closes == [.init(connection: connection, reason: .unsolicitedBytes)])
        #expect(driver.pool.counts.connections == 0)
    }

    @Test func aClosedConnectionMakesRoomForTheNextDial() {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let connection = driver.open(Routes.plain(), 1)[0]
        _ = driver.wait(Routes.plain())
        #expect(driver.dials.isEmpty)
        driver.closed(connection)
        #expect(driver.dials.count == 1)
        #expect(driver.closes.isEmpty)
        #expect(driver.pool.counters.losses == 1)
        #expect(driver.pool.counters.closes == [.peerClosed: 1])
    }

    @Test func whatARoutesPeerAllowedIsKnownForItsNextConnection() throws {
        let driver = PoolDriver()
        for _ in 0..<20 { _ = driver.wait(Routes.secure()) }
        let first = try #require(driver.dials.first)
        #expect(driver.pool.knownCapacity(for: first) == nil)
        driver.establish(first, capacity: 100)
        driver.perform(driver.pool.capacityChanged(first, to: 10, now: driver.now))
        for _ in 0..<10 { _ = driver.wait(Routes.secure()) }
        let second = try #require(driver.dials.first)
        #expect(driver.pool.knownCapacity(for: second) == 10)
        driver.perform(driver.pool.capacityChanged(first, to: 0, now: driver.now))
        #expect(driver.pool.knownCapacity(for: second) == nil)
    }

    // MARK: The peer's word on what it allows

    @Test func waitersWaitForAnUnreportedLimitRatherThanForADial() throws {
        let driver = PoolDriver()
        for _ in 0..<20 { _ = driver.wait(Routes.secure()) }
        let first = try #require(driver.dials.first)
        driver.establishUnheard(first)
        #expect(driver.grants.count == 1)
        #expect(driver.dials.isEmpty)
        // What comes meanwhile waits as well, be the guess of one used up or not.
        let late = try #require(driver.wait(Routes.secure()))
        #expect(driver.pool.waitCause(of: late) == .dial)
        driver.release(first)
        #expect(driver.grants.count == 2)
        #expect(driver.dials.isEmpty)
        driver.hear(first, 8)
        #expect(driver.grants.count == 9)
        // Twelve wait, and two connections of eight will do.
        #expect(driver.dials.count == 2)
    }

    @Test func aReportThatConfirmsTheGuessCountsAsAReport() throws {
        let driver = PoolDriver()
        for _ in 0..<3 { _ = driver.wait(Routes.secure()) }
        let first = try #require(driver.dials.first)
        driver.establishUnheard(first)
        driver.hear(first, 1)
        #expect(driver.grants.count == 1)
        #expect(driver.dials.count == 2)
        #expect(driver.pool.knownCapacity(for: driver.dials[0]) == 1)
        // The next one of the route is known to allow one, and is for many all the same.
        driver.perform(
            driver.pool.connectionEstablished(
                driver.dials[0], capacity: 1, isShared: true, now: driver.now))
        driver.hear(driver.dials[0], 2)
        #expect(driver.grants.count == 3)
    }

    @Test(arguments: ["suspect", "closed", "drained"])
    func anUnreportedLimitIsWaitedForOnlyWhileItsConnectionIsUsable(_ fate: String) throws {
        let driver = PoolDriver()
        for _ in 0..<3 { _ = driver.wait(Routes.secure()) }
        let first = try #require(driver.dials.first)
        driver.establishUnheard(first)
        #expect(driver.dials.isEmpty)
        switch fate {
        case "suspect":
            driver.perform(driver.pool.connectionSuspected(first, now: driver.now))
        case "closed": driver.closed(first)
        default: driver.drain(first, .goAway)
        }
        #expect(driver.dials.count == 1)
    }

    @Test func leasesSpreadOverTheLeastLoaded() throws {
        let driver = PoolDriver()
        for _ in 0..<3 { _ = driver.wait(Routes.secure()) }
        let first = try #require(driver.dials.first)
        driver.establish(first, capacity: 2)
        let second = try #require(driver.dials.first)
        driver.establish(second, capacity: 10)
        // first: 2 of 2; second: 1 of 10.
        driver.release(first)
        driver.release(first)
        #expect(driver.take(Routes.secure()) == first)
        #expect(driver.take(Routes.secure()).map { [first, second].contains($0) } == true)
        #expect(driver.take(Routes.secure()) != nil)
        let loads = driver.pool.snapshot(now: driver.now).connections.map(\.exchanges)
        #expect(loads == [2, 2])
        #expect(driver.take(Routes.secure()) == second)
    }

    @Test func capacityZeroHoldsWaitersUntilItRises() throws {
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = 1
        let driver = PoolDriver(http2: http2)
        _ = driver.wait(Routes.secure())
        let connection = try #require(driver.dials.first)
        driver.establish(connection, capacity: 100)
        driver.release(connection)
        driver.perform(driver.pool.capacityChanged(connection, to: 0, now: driver.now))
        driver.grants = []
        let waiters = try (0..<3).map { _ in try #require(driver.wait(Routes.secure())) }
        #expect(driver.dials.isEmpty)
        driver.perform(driver.pool.capacityChanged(connection, to: 1, now: driver.now))
        #expect(driver.grants.map(\.waiter) == [waiters[0]])
        driver.release(connection)
        #expect(driver.grants.map(\.waiter) == Array(waiters.prefix(2)))
        driver.perform(driver.pool.capacityChanged(connection, to: 5, now: driver.now))
        #expect(driver.grants.map(\.waiter) == waiters)
    }

    @Test func capacityLoweredBelowTheLoadGrantsNothingUntilItFell() throws {
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = 1
        let driver = PoolDriver(http2: http2)
        for _ in 0..<4 { _ = driver.wait(Routes.secure()) }
        let connection = try #require(driver.dials.first)
        driver.establish(connection, capacity: 4)
        driver.perform(driver.pool.capacityChanged(connection, to: 2, now: driver.now))
        _ = driver.wait(Routes.secure())
        driver.grants = []
        driver.release(connection)
        driver.release(connection)
        #expect(driver.grants.isEmpty)
        driver.release(connection)
        #expect(driver.grants.count == 1)
    }

    @Test func suspectTakesNothingUntilItIsTrusted() throws {
        let driver = PoolDriver()
        _ = driver.wait(Routes.secure())
        let connection = try #require(driver.dials.first)
        driver.establish(connection, capacity: 10)
        driver.perform(driver.pool.connectionSuspected(connection, now: driver.now))
        let waiter = try #require(driver.wait(Routes.secure()))
        #expect(driver.dials.count == 1)
        driver.grants = []
        driver.perform(driver.pool.connectionTrusted(connection, now: driver.now))
        #expect(driver.grants == [.init(waiter: waiter, connection: connection, isReused: true)])
        // The dial that was started meanwhile feeds the pool.
        driver.establish(driver.dials[0], capacity: 10)
        #expect(driver.pool.counts.idle == 1)
    }

    @Test func aSuspectIdleConnectionIsPassedOver() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain(), 2)
        for connection in opened { driver.release(connection) }
        driver.perform(driver.pool.connectionSuspected(opened[1], now: driver.now))
        #expect(driver.take(Routes.plain()) == opened[0])
        #expect(driver.take(Routes.plain()) == nil)
    }

    @Test func aDialThatThePoolGaveUpComesBackToBeClosed() {
        let driver = PoolDriver()
        _ = driver.wait(Routes.plain())
        let dial = driver.dials[0]
        driver.perform(driver.pool.shutDown(now: driver.now))
        driver.closes = []
        driver.establish(dial)
        #expect(driver.closes == [.init(connection: dial, reason: .shutdown)])
    }
}
