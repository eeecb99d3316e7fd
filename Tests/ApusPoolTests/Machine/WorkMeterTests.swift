#if DEBUG
    import ApusCore
    import ApusPool
    import Testing

    /// No step's work grows with the pool: counted in elementary steps, at 100 and at 100,000 idle
    /// connections.
    ///
    /// `PoolCodeTests` checks that loops over the whole pool are only in the steps that touch all
    /// of it by their nature.
    @Suite struct WorkMeterTests {
        /// How the idle connections are spread.
        enum Spread: String, CaseIterable, Sendable {
            case oneRoute, manyRoutes
        }

        /// With caps over routes too, as long as they are not reached.
        @Test(arguments: Spread.allCases, [false, true])
        func aStepsWorkDoesNotGrowWithThePool(_ spread: Spread, isCapped: Bool) throws {
            let few = try Self.work(among: 100, spread, isCapped)
            let many = try Self.work(among: 100_000, spread, isCapped)
            #expect(few.keys == many.keys)
            for (step, work) in few.sorted(by: { $0.key < $1.key }) {
                let grown = try #require(many[step])
                // A heap of 100,000 is ten levels deeper than one of 100, and an entry that is
                // taken out moves down once, at two comparisons a level at most.
                #expect(grown <= work + 20, "\(step): \(work) among 100, \(grown) among 100,000")
                #expect(grown <= 48, "\(step): \(grown) among 100,000")
            }
        }

        /// How much each kind of step does in a pool with so many idle connections.
        private static func work(
            among count: Int, _ spread: Spread, _ isCapped: Bool
        ) throws -> [String: Int] {
            let driver = PoolDriver {
                $0.maxIdle = nil
                $0.maxIdlePerHost = nil
                $0.lifetime = .seconds(1000)
                $0.maxConnections = isCapped ? 1_000_000 : nil
                $0.maxConnectionsPerOrigin = isCapped ? 1_000_000 : nil
            }
            let perRoute = spread == .oneRoute ? count : 10
            var opened: [ConnectionID] = []
            for route in 0..<count / perRoute {
                opened += driver.open(Routes.plain("h\(route).test"), perRoute)
            }
            for connection in opened {
                driver.pass(.microseconds(1))
                driver.release(connection)
            }
            #expect(driver.pool.counts.idle == count)
            let route = Routes.plain("h0.test")
            var done: [String: Int] = [:]
            func measure<Result>(_ step: String, _ body: () throws -> Result) rethrows -> Result {
                let before = driver.pool.workDone
                defer { done[step] = driver.pool.workDone - before }
                return try body()
            }

            let leased = try #require(measure("lease") { driver.take(route) })
            measure("release") { driver.release(leased) }
            let other = Routes.plain("other.test")
            let waiter = try #require(measure("wait") { driver.wait(other) })
            let unwanted = try #require(driver.wait(Routes.plain("unwanted.test"), .oneShot))
            #expect(measure("cancel") { driver.cancel(unwanted) })
            #expect(measure("cancel with a grace") { driver.cancel(waiter) })
            let dial = try #require(driver.dials.first)
            measure("established") { driver.establish(dial) }
            _ = driver.wait(other, .fresh)
            let second = try #require(driver.dials.first)
            measure("dialFailed") { driver.fail(second) }
            measure("hint") { driver.pool.idleTimeHinted(opened[count / 2], .seconds(30)) }
            measure("suspected") {
                driver.perform(driver.pool.connectionSuspected(opened[5], now: driver.now))
            }
            measure("trusted") {
                driver.perform(driver.pool.connectionTrusted(opened[5], now: driver.now))
            }
            measure("drain") { driver.drain(opened[7], .goAway) }
            measure("closed") { driver.closed(opened[count / 3]) }
            measure("evictIdle") {
                driver.perform(driver.pool.closeIdle(.evicted, most: 1, now: driver.now))
            }
            measure("prewarm") {
                driver.perform(driver.pool.prewarm(other, connections: 2, now: driver.now))
            }
            // The one with the hint is due, and no other.
            driver.pass(.seconds(31))
            driver.closes = []
            measure("deadline") { driver.tick() }
            #expect(driver.closes.map(\.connection) == [opened[count / 2]])
            return done
        }
    }
#endif
