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

    // MARK: Congestion

    /// A connection of capacity 100 that carries one exchange.
    private func single(
        _ http2: EngineTuning.HTTP2 = .init(),
        _ change: (inout EngineTuning.Pool) -> Void = { _ in }
    ) throws -> (PoolDriver, ConnectionID) {
        let driver = PoolDriver(http2: http2, change)
        _ = try #require(driver.wait(Routes.secure()))
        let dial = try #require(driver.dials.first)
        driver.establish(dial, capacity: 100)
        return (driver, dial)
    }

    private func congest(_ driver: PoolDriver, _ connection: ConnectionID, _ isOn: Bool = true) {
        driver.perform(
            driver.pool.congestionChanged(connection, isCongested: isOn, now: driver.now))
    }

    @Test func aRouteWhoseConnectionsAreCongestedGrowsByOne() throws {
        let (driver, first) = try single()
        congest(driver, first)
        let dial = try #require(driver.dials.first)
        #expect(driver.dials.count == 1)
        // No caller waits for it, and no second one begins beside it.
        #expect(driver.take(Routes.secure()) == first)
        congest(driver, first)
        #expect(driver.dials.count == 1)
        driver.establish(dial, capacity: 100)
        for _ in 0..<5 { #expect(driver.take(Routes.secure()) == dial) }
        congest(driver, dial)
        let third = try #require(driver.dials.first)
        driver.establish(third, capacity: 100)
        #expect(driver.take(Routes.secure()) == third)
        // Where bodies no longer wait, the oldest is enough as ever.
        for connection in [first, dial, third] { congest(driver, connection, false) }
        #expect(driver.take(Routes.secure()) == first)
        #expect(driver.dials.isEmpty)
    }

    @Test func congestionEverywhereIsAsNoCongestion() throws {
        var http2 = EngineTuning.HTTP2()
        http2.maxConnectionsPerHost = 2
        let (driver, first) = try single(http2)
        congest(driver, first)
        let second = try #require(driver.dials.first)
        driver.establish(second, capacity: 100)
        congest(driver, second)
        #expect(driver.dials.isEmpty)
        #expect(driver.take(Routes.secure()) == second)
        #expect(driver.take(Routes.secure()) == first)
    }

    @Test func aCongestedConnectionThatIsFullOrGoneCountsNoMore() throws {
        let (driver, first) = try single()
        congest(driver, first)
        let second = try #require(driver.dials.first)
        driver.establish(second, capacity: 2)
        for _ in 0..<2 { #expect(driver.take(Routes.secure()) == second) }
        // The one without congestion is full.
        #expect(driver.take(Routes.secure()) == first)
        driver.closed(first)
        congest(driver, first)
        #expect(driver.dials.isEmpty)
        driver.release(second)
        #expect(driver.take(Routes.secure()) == second)
        congest(driver, second)
        #expect(driver.dials.count == 1)
    }

    /// `maxConnectionsPerHost` of the pool, a cap, a pause after a failure, HTTP/1.1, the shutdown.
    @Test func aLimitAllowsNoDialForCongestion() throws {
        let rows: [(inout EngineTuning.Pool) -> Void] = [
            { $0.maxConnectionsPerHost = 1 }, { $0.maxConnections = 1 },
            { $0.maxConnectionsPerOrigin = 1 },
        ]
        for row in rows {
            let (driver, first) = try single(.init(), row)
            congest(driver, first)
            #expect(driver.dials.isEmpty)
        }
        let (paused, first) = try single(.init()) { $0.dialBackoff = .seconds(5) }
        congest(paused, first)
        paused.fail(try #require(paused.dials.first))
        congest(paused, first)
        #expect(paused.dials.isEmpty)
        let plain = PoolDriver()
        let exclusive = try #require(plain.open(Routes.plain(), 2).first)
        congest(plain, exclusive)
        #expect(plain.dials.isEmpty)
        let (ended, last) = try single()
        ended.perform(ended.pool.shutDown(now: ended.now))
        congest(ended, last)
        #expect(ended.dials.isEmpty)
    }

    // MARK: Streams that one connection takes with it

    @Test("A13: streams beyond the preferred number get a further connection")
    func streamsBeyondThePreferredNumberGetAFurtherConnection() throws {
        var http2 = EngineTuning.HTTP2()
        http2.preferredStreamsPerConnection = 3
        http2.maxConnectionsPerHost = 2
        let (driver, first) = try single(http2)
        for _ in 0..<2 { #expect(driver.take(Routes.secure()) == first) }
        #expect(driver.dials.isEmpty)
        // The fourth is not held up by the dial.
        #expect(driver.take(Routes.secure()) == first)
        let second = try #require(driver.dials.first)
        #expect(driver.take(Routes.secure()) == first)
        #expect(driver.dials.count == 1)
        driver.establish(second, capacity: 100)
        for _ in 0..<3 { #expect(driver.take(Routes.secure()) == second) }
        // Both have more than is preferred, and a third connection is not allowed.
        #expect(driver.take(Routes.secure()) == second)
        #expect(driver.take(Routes.secure()) == second)
        #expect(driver.take(Routes.secure()) == first)
        #expect(driver.dials.isEmpty)
        // Fewer streams go to the oldest connection as ever.
        for _ in 0..<6 { driver.release(first) }
        for _ in 0..<5 { driver.release(second) }
        #expect(driver.take(Routes.secure()) == first)
    }
}
