import ApusCore
import ApusPool
import Testing

/// Several connections for many exchanges each: how the load is spread, and how they grow fewer.
@Suite struct PoolMachineSpreadingTests {
    /// A route with three connections of capacity 10, established in this order and full.
    private func grown() throws -> (driver: PoolDriver, connections: [ConnectionID]) {
        let driver = PoolDriver()
        var connections: [ConnectionID] = []
        for _ in 0..<3 {
            _ = try #require(driver.wait(Routes.secure()))
            let dial = try #require(driver.dials.first)
            connections.append(dial)
            driver.establish(dial, capacity: 10)
            for _ in 0..<9 { #expect(driver.take(Routes.secure()) == dial) }
        }
        return (driver, connections)
    }

    private func release(_ driver: PoolDriver, _ connection: ConnectionID, _ count: Int) {
        for _ in 0..<count { driver.release(connection) }
    }

    @Test func aLoadThatNeedsThemAllIsSpreadOverAll() throws {
        let (driver, connections) = try grown()
        for (index, connection) in connections.enumerated() {
            release(driver, connection, 1 + index)
        }
        // 24 of 30: the one that carries least is the youngest.
        #expect(driver.take(Routes.secure()) == connections[2])
        #expect(driver.take(Routes.secure()) == connections[1])
    }

    @Test func aLoadThatFewerCarryEasilyLeavesTheYoungestAlone() throws {
        let (driver, connections) = try grown()
        for connection in connections { release(driver, connection, 7) }
        // 9 of 30: two connections could carry twice that, and the third gets no more.
        release(driver, connections[2], 1)
        #expect(driver.take(Routes.secure()) == connections[0])
        #expect(driver.take(Routes.secure()) == connections[1])
        release(driver, connections[2], 2)
        #expect(driver.pool.counts.idle == 1)
        // Sequential requests go to the oldest, however many are idle.
        for connection in connections[..<2] { release(driver, connection, 4) }
        #expect(driver.pool.counts.idle == 3)
        for _ in 0..<20 {
            #expect(driver.take(Routes.secure()) == connections[0])
            driver.release(connections[0])
        }
    }

    @Test func unusedConnectionsCloseAtTheirIdleTimeoutAndNotBefore() throws {
        let (driver, connections) = try grown()
        for connection in connections { release(driver, connection, 10) }
        for _ in 0..<9 {
            driver.pass(.seconds(10))
            driver.perform(driver.pool.deadlineReached(now: driver.now))
            #expect(driver.take(Routes.secure()) == connections[0])
            driver.release(connections[0])
            #expect(driver.closes.isEmpty || driver.now.nanoseconds >= 90_000_000_000)
        }
        driver.pass(.seconds(1))
        driver.perform(driver.pool.deadlineReached(now: driver.now))
        #expect(Set(driver.closes.map(\.connection)) == Set(connections[1...]))
        #expect(driver.closes.allSatisfy { $0.reason == .idleTimeout })
        #expect(driver.pool.counts.connections == 1)
    }

    @Test func aLoadThatSwingsMovesNothing() throws {
        let (driver, connections) = try grown()
        // Between 16 and 30 of 30, all three stay in use.
        for _ in 0..<10 {
            for connection in connections { release(driver, connection, 4) }
            var taken: [ConnectionID: Int] = [:]
            for _ in 0..<12 {
                let connection = try #require(driver.take(Routes.secure()))
                taken[connection, default: 0] += 1
            }
            #expect(taken.values.allSatisfy { $0 == 4 })
            #expect(taken.count == 3)
        }
        #expect(driver.dials.isEmpty)
        #expect(driver.closes.isEmpty)
    }
}
