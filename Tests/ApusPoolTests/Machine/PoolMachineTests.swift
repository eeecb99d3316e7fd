import ApusCore
import ApusPool
import Testing

@Suite struct PoolMachineTests {
    @Test func releasedConnectionServesTheNextLease() throws {
        let driver = PoolDriver()
        let waiter = try #require(driver.wait(Routes.plain()))
        let dial = try #require(driver.dials.first)
        driver.establish(dial)
        #expect(
            driver.grants == [.init(waiter: waiter, connection: dial, isReused: false)])
        let actions = driver.pool.release(dial, now: driver.now)
        #expect(actions.isEmpty)
        #expect(driver.lease(Routes.plain()) == .leased(dial, isReused: true))
        #expect(driver.pool.counters.reuses == 1)
        #expect(driver.pool.counters.dials == 1)
    }

    @Test func anotherRouteNeverGetsTheConnection() throws {
        let driver = PoolDriver()
        let first = driver.open(Routes.plain("a.test"), 1)
        driver.release(first[0])
        #expect(driver.take(Routes.plain("b.test")) == nil)
        #expect(driver.take(Routes.secure("a.test")) == nil)
        #expect(driver.take(Routes.plain("a.test")) == first[0])
    }

    @Test func idleConnectionsAreUsedLastInFirstOut() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain(), 3)
        for connection in [opened[1], opened[0], opened[2]] { driver.release(connection) }
        #expect(driver.take(Routes.plain()) == opened[2])
        #expect(driver.take(Routes.plain()) == opened[0])
        #expect(driver.take(Routes.plain()) == opened[1])
    }

    @Test func waitersAreServedInOrderOfArrivalSkippingTheCancelled() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let connection = driver.open(Routes.plain(), 1)[0]
        let waiters = try (0..<4).map { _ in try #require(driver.wait(Routes.plain())) }
        #expect(driver.dials.isEmpty)
        #expect(driver.cancel(waiters[1]))
        #expect(!driver.cancel(waiters[1]))
        driver.grants = []
        for _ in 0..<3 { driver.release(connection) }
        #expect(driver.grants.map(\.waiter) == [waiters[0], waiters[2], waiters[3]])
        #expect(driver.grants.allSatisfy { $0.isReused && $0.connection == connection })
        #expect(!driver.cancel(waiters[3]))
    }

    @Test func waitersWithTheirOwnDialDoNotCountTowardTheQueueLimit() {
        let driver = PoolDriver {
            $0.maxConnectionsPerHost = 2
            $0.maxWaitersPerHost = 1
        }
        #expect(driver.wait(Routes.plain()) != nil)
        #expect(driver.wait(Routes.plain()) != nil)
        #expect(driver.wait(Routes.plain()) != nil)
        #expect(driver.lease(Routes.plain()) == .refused(.tooManyWaiters))
        #expect(driver.dials.count == 2)
        #expect(driver.pool.counters.refusals == 1)
        #expect(driver.pool.counts.waiting == 3)
    }

    @Test func noQueueAtAllStillLetsCallersDial() throws {
        let driver = PoolDriver { $0.maxWaitersPerHost = 0 }
        let waiter = try #require(driver.wait(Routes.secure()))
        #expect(driver.lease(Routes.secure()) == .refused(.tooManyWaiters))
        // The dial outlives its waiter and is as good as one of the next caller's own.
        #expect(driver.cancel(waiter))
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1)
    }

    @Test func connectionsPerHostCountDialsAndDraining() {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 3 }
        let opened = driver.open(Routes.plain(), 2)
        _ = driver.wait(Routes.plain())
        #expect(driver.dials.count == 1)
        _ = driver.wait(Routes.plain())
        #expect(driver.dials.count == 1)
        driver.drain(opened[0], .connectionClose)
        #expect(driver.dials.count == 1)
        driver.release(opened[0])
        #expect(driver.dials.count == 2)
        #expect(driver.pool.counts.connections == 3)
    }

    @Test func dialsPerHostAreBounded() {
        let driver = PoolDriver { $0.maxDialsPerHost = 2 }
        for _ in 0..<5 { _ = driver.wait(Routes.plain()) }
        #expect(driver.dials.count == 2)
        driver.establish(driver.dials[0])
        #expect(driver.dials.count == 2)
        driver.fail(driver.dials[0])
        #expect(driver.dials.count == 2)
        #expect(driver.pool.counters.dials == 4)
    }

    @Test func idleConnectionsBeyondTheHostsLimitCloseOldestFirst() {
        let driver = PoolDriver { $0.maxIdlePerHost = 2 }
        let opened = driver.open(Routes.plain(), 3)
        for connection in opened { driver.release(connection) }
        #expect(driver.closes == [.init(connection: opened[0], reason: .evicted)])
        #expect(driver.pool.counts.idle == 2)
    }

    @Test func idleConnectionsBeyondTheTotalCloseOldestFirstOverAllRoutes() {
        let driver = PoolDriver { $0.maxIdle = 3 }
        var opened: [ConnectionID] = []
        for host in ["a.test", "b.test", "c.test", "d.test"] {
            opened += driver.open(Routes.plain(host), 1)
        }
        for index in [2, 0, 1, 3] { driver.release(opened[index]) }
        #expect(driver.closes == [.init(connection: opened[2], reason: .evicted)])
        #expect(driver.pool.description(of: Routes.plain("c.test")) == nil)
        // Using a connection makes it the youngest.
        _ = driver.take(Routes.plain("a.test"))
        driver.release(opened[0])
        driver.closes = []
        let another = driver.open(Routes.plain("e.test"), 1)
        driver.release(another[0])
        #expect(driver.closes == [.init(connection: opened[1], reason: .evicted)])
    }

    @Test(arguments: [1, 10])
    func keepingNothingClosesWithTheLastExchange(capacity: Int) throws {
        for change: (inout EngineTuning.Pool) -> Void in [
            { $0.maxIdle = 0 }, { $0.maxIdlePerHost = 0 },
        ] {
            let driver = PoolDriver(change)
            _ = driver.wait(Routes.secure())
            let dial = try #require(driver.dials.first)
            driver.establish(dial, capacity: capacity)
            if capacity > 1 {
                #expect(driver.take(Routes.secure()) == dial)
                driver.release(dial)
                #expect(driver.closes.isEmpty)
            }
            driver.release(dial)
            #expect(driver.closes == [.init(connection: dial, reason: .evicted)])
            #expect(driver.pool.counts == PoolCounts())
        }
    }

    @Test func unlimitedMeansUnlimited() {
        let driver = PoolDriver {
            $0.maxIdle = nil
            $0.maxIdlePerHost = nil
            $0.idleTimeout = nil
        }
        let opened = driver.open(Routes.plain(), 500)
        #expect(Set(opened).count == 500)
        for connection in opened { driver.release(connection) }
        #expect(driver.pool.counts.idle == 500)
        #expect(driver.pool.nextDeadline == nil)
    }

    @Test func anEmptyRouteIsForgotten() {
        let driver = PoolDriver()
        for number in 0..<100 {
            let route = Routes.plain("host\(number).test")
            let connection = driver.open(route, 1)[0]
            driver.drain(connection, .connectionClose)
            driver.release(connection)
        }
        #expect(driver.pool.snapshot(now: driver.now).routes.isEmpty)
        #expect(driver.pool.counts == PoolCounts())
        #expect(driver.pool.counters.closes == [.connectionClose: 100])
    }

    @Test func namesAreNeverGivenTwice() {
        let driver = PoolDriver { $0.maxIdle = 0 }
        var seen: Set<ConnectionID> = []
        for _ in 0..<100 {
            let connection = driver.open(Routes.plain(), 1)[0]
            #expect(seen.insert(connection).inserted)
            driver.release(connection)
            // Late messages about it change nothing.
            driver.release(connection)
            driver.closed(connection)
            driver.drain(connection, .timeout)
        }
        #expect(driver.pool.counters.closes == [.evicted: 100])
    }
}
