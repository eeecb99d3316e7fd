import ApusCore
import ApusPool
import Testing

@Suite struct PoolMachineSlotsTests {
    @Test func aSlotThatIsUsedAgainIsAnotherConnection() {
        let driver = PoolDriver()
        let first = driver.open(Routes.plain(), 1)[0]
        driver.closed(first)
        let second = driver.open(Routes.plain(), 1)[0]
        #expect(first != second)
        // Late reports about the first one do not reach the second.
        driver.closed(first)
        driver.drain(first, .goAway)
        #expect(driver.pool.counts.connections == 1)
        #expect(driver.pool.counts.exchanges == 1)
    }

    @Test func exchangesThatEndWithTheirConnectionAreCountedAsLosses() throws {
        let driver = PoolDriver()
        for _ in 0..<3 { _ = driver.wait(Routes.secure()) }
        let connection = try #require(driver.dials.first)
        driver.establish(connection, capacity: 5)
        driver.release(connection)
        driver.closed(connection)
        #expect(driver.pool.counters.losses == 2)
        #expect(driver.pool.counters.releases == 1)
        #expect(driver.pool.counts == PoolCounts())
    }

    @Test func lifetimesAreShortenedByATenthAtMostEachByItsOwnAmount() {
        var ages: Set<Duration> = []
        for _ in 0..<20 {
            let driver = PoolDriver { $0.lifetime = .seconds(1000) }
            for connection in driver.open(Routes.plain(), 20) { driver.release(connection) }
            while let deadline = driver.pool.nextDeadline {
                driver.now = deadline
                driver.tick()
                let age = driver.now.since(Deadline(nanoseconds: 0))
                if driver.takeCloses().contains(where: { $0.reason == .lifetime }) {
                    ages.insert(age)
                }
            }
        }
        #expect(ages.allSatisfy { $0 >= .seconds(90) })
    }

    @Test func aCallerOnALoopGetsTheConnectionOfThatLoopThatWasUsedLast() {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain(), on: [0, 1, 0, 1, 2])
        #expect(driver.take(Routes.plain(), near: 1) == opened[3])
        #expect(driver.take(Routes.plain(), near: 0) == opened[2])
        #expect(driver.take(Routes.plain(), near: 0) == opened[0])
        // None of its own loop is left, or it has none: the one that was used last.
        #expect(driver.take(Routes.plain(), near: 0) == opened[4])
        #expect(driver.take(Routes.plain()) == opened[1])
    }

    @Test func fewConnectionsAreLookedAtForOneOfTheCallersLoop() {
        let driver = PoolDriver { $0.maxIdlePerHost = nil }
        let opened = driver.open(Routes.plain(), on: [0] + Array(repeating: 1, count: 100))
        #expect(driver.take(Routes.plain(), near: 0) == opened[100], "its own is too far down")
    }

    @Test func anIdleConnectionWithoutRoomIsPassedOverAndFoundAgain() throws {
        let driver = PoolDriver()
        _ = driver.wait(Routes.secure())
        let connection = try #require(driver.dials.first)
        driver.establish(connection, capacity: 2)
        driver.release(connection)
        driver.hear(connection, 0)
        #expect(driver.take(Routes.secure()) == nil)
        driver.hear(connection, 1)
        #expect(driver.grants.count == 2)
    }
}
