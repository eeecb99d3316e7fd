import ApusCore
import ApusPool
import Testing

@Suite struct PoolMachineSnapshotTests {
    @Test func eachConnectionIsListedWithItsState() throws {
        let driver = PoolDriver()
        let opened = driver.open(Routes.plain(), 4)
        driver.release(opened[1])
        driver.drain(opened[2], .goAway)
        driver.perform(driver.pool.connectionSuspected(opened[3], now: driver.now))
        _ = driver.wait(Routes.plain("b.test"))
        driver.pass(.seconds(3))
        let snapshot = driver.pool.snapshot(now: driver.now)
        var states: [ConnectionID: ConnectionState] = [:]
        for entry in snapshot.connections {
            states[entry.id] = entry.state
            #expect(entry.age == .seconds(3))
            #expect((entry.idleFor == .seconds(3)) == (entry.state == .idle))
        }
        #expect(states[opened[0]] == .leased)
        #expect(states[opened[1]] == .idle)
        #expect(states[opened[2]] == .draining)
        #expect(states[opened[3]] == .suspect)
        #expect(states[try #require(driver.dials.first)] == .dialling)
        #expect(snapshot.counts == driver.pool.counts)
        #expect(snapshot.routes.count == 2)
    }

    @Test func aWaiterKnowsWhatItWaitsFor() throws {
        let driver = PoolDriver { $0.maxConnectionsPerHost = 1 }
        let first = try #require(driver.wait(Routes.plain()))
        #expect(driver.pool.waitCause(of: first) == .dial)
        #expect(driver.pool.dial(for: first)?.began == driver.now)
        driver.establish(driver.dials[0])
        #expect(driver.pool.waitCause(of: first) == nil)
        let second = try #require(driver.wait(Routes.plain()))
        #expect(driver.pool.waitCause(of: second) == .connectionsPerHost)
        #expect(driver.pool.dial(for: second) == nil)
    }

    @Test func aRouteIsHeldUntilNothingIsLeftOfIt() throws {
        let driver = PoolDriver()
        #expect(!driver.pool.holds(Routes.plain()))
        let connection = driver.open(Routes.plain(), 1)[0]
        #expect(driver.pool.holds(Routes.plain()))
        #expect(driver.pool.knownRoutes == [Routes.plain()])
        driver.closed(connection)
        #expect(!driver.pool.holds(Routes.plain()))
        #expect(driver.pool.description(of: Routes.plain()) == nil)
    }
}
