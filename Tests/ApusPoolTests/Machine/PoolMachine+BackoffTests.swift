import ApusCore
import ApusPool
import Testing

/// The pause between dials that fail: who waits for it, how it grows, and when it is forgotten.
@Suite struct PoolMachineBackoffTests {
    private func driver(_ change: (inout EngineTuning.Pool) -> Void = { _ in }) -> PoolDriver {
        PoolDriver { tuning in
            tuning.dialBackoff = .milliseconds(100)
            tuning.maxDialBackoff = .seconds(1)
            tuning.hedgeDelay = nil
            change(&tuning)
        }
    }

    /// Fails the one dial in flight; how long the next one is held back.
    private func failAndMeasure(_ driver: PoolDriver) throws -> Duration {
        driver.fail(try #require(driver.dials.first))
        #expect(driver.dials.isEmpty, "the next dial waits")
        let next = driver.pool.nextDeadline
        let deadline = try #require(next)
        return deadline.since(driver.now)
    }

    @Test func theFirstDialOfAFreshRouteIsNeverHeldBack() throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1)
        driver.fail(driver.dials[0])
        #expect(driver.wait(Routes.secure("other.test")) != nil)
        #expect(driver.dials.count == 1)
    }

    @Test func aFailedSharedDialFailsEveryWaiterThatNothingElseServes() throws {
        let driver = driver()
        let waiters = try (0..<30).map { _ in try #require(driver.wait(Routes.secure())) }
        let dial = driver.dials[0]
        driver.fail(dial)
        #expect(driver.failures == waiters.map { .init(waiter: $0, cause: .dialFailed(dial)) })
        #expect(driver.pool.counts.waiting == 0)
    }

    @Test func aPatientCallerThatCameAfterTheDialBeganWaitsForTheNextOne() throws {
        let driver = driver()
        let first = try #require(driver.wait(Routes.secure(), isPatient: true))
        let second = try #require(driver.wait(Routes.secure(), isPatient: true))
        driver.fail(driver.dials[0])
        #expect(driver.failures.map(\.waiter) == [first])
        #expect(driver.pool.counts.waiting == 1)
        #expect(driver.pool.waitCause(of: second) == .backoff)
        driver.pass(.milliseconds(100))
        driver.tick()
        driver.establish(try #require(driver.dials.first))
        #expect(driver.grants.map(\.waiter) == [second])
    }

    @Test func allWhoWaitedWhenADialBeganFailWithItHoweverPatient() throws {
        let driver = driver()
        for _ in 0..<9 { #expect(driver.wait(Routes.secure(), isPatient: true) != nil) }
        driver.pass(try failAndMeasure(driver))
        #expect(driver.failures.count == 1)
        driver.tick()
        driver.fail(try #require(driver.dials.first))
        #expect(driver.failures.count == 9)
    }

    @Test func aDialThatTheShellHeldBackFailsItsWaitersAndDelaysNoOther() throws {
        let driver = driver()
        for _ in 0..<3 { #expect(driver.wait(Routes.secure(), isPatient: true) != nil) }
        var fails = 0
        while let dial = driver.dials.first {
            driver.fail(dial, wasMade: false)
            fails += 1
            #expect(fails <= 3)
        }
        #expect(driver.failures.count == 3 && driver.pool.counts == PoolCounts())
        #expect(driver.wait(Routes.secure()) != nil && driver.dials.count == 1)
    }

    @Test(arguments: [Reuse.pooled, .fresh, .oneShot])
    func aCallerThatMayNotDialIsServedAtOnceOrTurnedAway(_ reuse: Reuse) throws {
        let driver = driver()
        for isPatient in [false, true] {
            let result = driver.lease(
                Routes.secure(), reuse, isPatient: isPatient, mayDial: false)
            #expect(result == .refused(.dialFailed))
        }
        #expect(driver.dials.isEmpty && !driver.pool.holds(Routes.secure()))
        #expect(driver.wait(Routes.secure()) != nil)
        let connection = try #require(driver.dials.first)
        driver.establish(connection, capacity: 2)
        let result = driver.lease(Routes.secure(), reuse, mayDial: false)
        #expect(
            result
                == (reuse == .pooled
                    ? .leased(connection, isReused: true) : .refused(.dialFailed)))
    }

    @Test(arguments: [Reuse.pooled, .fresh, .oneShot])
    func inThePauseACallerIsTurnedAwayUnlessItIsPatient(_ reuse: Reuse) throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        let pause = try failAndMeasure(driver)
        #expect(driver.lease(Routes.secure(), reuse) == .refused(.dialFailed))
        #expect(driver.pool.counters.refusals == 1)
        #expect(driver.pool.counts == PoolCounts())
        #expect(driver.wait(Routes.secure(), reuse, isPatient: true) != nil)
        driver.pass(pause)
        driver.tick()
        #expect(driver.dials.count == 1)
        #expect(driver.wait(Routes.secure(), reuse) != nil, "the pause is over")
    }

    @Test func besideAnOpenConnectionACallerWaitsInThePause() throws {
        let driver = driver()
        let open = driver.open(Routes.plain(), 1)
        #expect(driver.wait(Routes.plain()) != nil)
        driver.fail(driver.dials[0])
        let waiter = try #require(driver.wait(Routes.plain()))
        driver.release(open[0])
        #expect(driver.grants.last?.waiter == waiter)
        // One that takes no more is none.
        driver.drain(open[0], .goAway)
        #expect(driver.lease(Routes.plain()) == .refused(.dialFailed))
    }

    @Test func besideADialInFlightACallerWaitsInThePause() throws {
        let driver = driver()
        for _ in 0..<2 { #expect(driver.wait(Routes.plain()) != nil) }
        let (first, second) = (driver.dials[0], driver.dials[1])
        driver.fail(first)
        let waiter = try #require(driver.wait(Routes.plain()))
        driver.establish(second)
        driver.release(second)
        #expect(driver.grants.map(\.waiter).contains(waiter))
    }

    @Test func callersThatWaitedForTheDialLimitFailInThePauseToo() throws {
        let driver = driver { $0.maxDialsPerHost = 1 }
        for _ in 0..<3 { #expect(driver.wait(Routes.plain()) != nil) }
        #expect(driver.wait(Routes.plain(), .fresh) != nil)
        driver.fail(driver.dials[0])
        #expect(driver.failures.count == 4)
    }

    @Test func givingUpARoutesConnectionsEndsThePauseAfterAFailure() throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        let waiter = try #require(driver.wait(Routes.secure(), isPatient: true))
        _ = try failAndMeasure(driver)
        driver.perform(
            driver.pool.drainAll(of: [Routes.secure()], reason: .tlsReloaded, now: driver.now))
        driver.establish(try #require(driver.dials.first))
        #expect(driver.grants.map(\.waiter) == [waiter])
    }

    @Test("row 58: a peer that asks for calm is not dialled again at once")
    func aDemandForCalmCountsAsAFailureDespiteTheConnection() throws {
        let driver = driver()
        var pauses: [Duration] = []
        #expect(driver.wait(Routes.secure()) != nil)
        for _ in 0..<6 {
            let connection = try #require(driver.dials.first)
            driver.establish(connection, capacity: 100)
            driver.pass(.milliseconds(1))
            driver.pool.calmDemanded(connection, now: driver.now)
            // A second report changes nothing.
            driver.pool.calmDemanded(connection, now: driver.now)
            driver.drain(connection, .goAway)
            driver.release(connection)
            #expect(driver.wait(Routes.secure()) != nil, "no dial has failed")
            #expect(driver.dials.isEmpty, "the next dial waits")
            let next = driver.pool.nextDeadline
            let deadline = try #require(next)
            pauses.append(deadline.since(driver.now))
            driver.pass(pauses.last ?? .zero)
            driver.tick()
        }
        for (index, pause) in pauses.enumerated() {
            let whole = min(.milliseconds(100 * (1 << index)), Duration.seconds(1))
            #expect(pause <= whole && pause >= whole / 2)
        }
        // One that is served in order ends the row.
        let last = try #require(driver.dials.first)
        driver.establish(last, capacity: 100)
        driver.release(last)
        driver.closed(last)
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1)
    }

    @Test func thePauseDoublesUpToItsBoundAndIsShortenedByAHalfAtMost() throws {
        let driver = driver()
        var whole = Duration.milliseconds(100)
        #expect(driver.wait(Routes.secure()) != nil)
        for _ in 0..<7 {
            #expect(driver.wait(Routes.secure(), isPatient: true) != nil)
            let pause = try failAndMeasure(driver)
            #expect(pause <= whole && pause >= whole / 2, "\(pause) of \(whole)")
            driver.pass(pause - .nanoseconds(1))
            driver.tick()
            #expect(driver.dials.isEmpty)
            driver.pass(.nanoseconds(1))
            driver.tick()
            #expect(driver.dials.count == 1)
            whole = min(whole * 2, .seconds(1))
        }
    }

    @Test func dialsSideBySideThatFailTogetherAreOneFailure() throws {
        let driver = driver()
        for _ in 0..<20 { #expect(driver.wait(Routes.plain()) != nil) }
        #expect(driver.dials.count == 20)
        for dial in driver.dials { driver.fail(dial) }
        #expect(driver.failures.count == 20)
        #expect(driver.wait(Routes.plain(), isPatient: true) != nil)
        #expect(driver.dials.isEmpty)
        driver.pass(.milliseconds(100))
        driver.tick()
        #expect(driver.dials.count == 1, "the pause is that after one failure")
    }

    @Test func aSuccessForgivesEverything() throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        for _ in 0..<3 {
            #expect(driver.wait(Routes.secure(), isPatient: true) != nil)
            driver.pass(try failAndMeasure(driver))
            driver.tick()
        }
        let dial = try #require(driver.dials.first)
        driver.establish(dial)
        driver.release(dial)
        driver.closed(dial)
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1, "at once")
        #expect(try failAndMeasure(driver) <= .milliseconds(100), "from the beginning")
    }

    @Test func aRouteWithoutWaitersIsForgottenAfterItsPause() throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        let pause = try failAndMeasure(driver)
        #expect(driver.pool.description(of: Routes.secure()) != nil)
        driver.pass(pause)
        driver.tick()
        #expect(driver.pool.description(of: Routes.secure()) == nil)
        #expect(driver.pool.nextDeadline == nil)
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1)
        #expect(try failAndMeasure(driver) <= .milliseconds(100))
    }

    @Test func aCancelledCallerLeavesNoTrace() throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        let second = try #require(driver.wait(Routes.secure(), isPatient: true))
        let pause = try failAndMeasure(driver)
        #expect(driver.cancel(second))
        driver.pass(pause)
        driver.tick()
        #expect(driver.dials.isEmpty)
        #expect(driver.pool.counts == PoolCounts())
    }

    @Test func aConnectionThatComesBackServesThoseWhoWaitForThePause() throws {
        let driver = driver { $0.maxDialsPerHost = 1 }
        let open = driver.open(Routes.plain(), 1)
        #expect(driver.wait(Routes.plain()) != nil)
        let second = try #require(driver.wait(Routes.plain()))
        driver.fail(driver.dials[0])
        #expect(driver.dials.isEmpty)
        driver.release(open[0])
        #expect(driver.grants.last?.waiter == second)
    }

    /// Failing routes without end must not be remembered without end.
    @Test func routesRememberedForTheirPauseAreBounded() throws {
        let driver = driver()
        for index in 0..<3000 {
            #expect(driver.wait(Routes.secure("host-\(index).test")) != nil)
            driver.fail(driver.dials[0])
        }
        let remembered = (0..<3000).count {
            driver.pool.description(of: Routes.secure("host-\($0).test")) != nil
        }
        #expect(remembered == 1024)
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.pool.nextDeadline == nil)
        #expect(driver.pool.description.isEmpty)
    }

    @Test func theEndForgetsEveryPause() throws {
        let driver = driver()
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.wait(Routes.secure(), isPatient: true) != nil)
        driver.fail(driver.dials[0])
        driver.perform(driver.pool.shutDown(now: driver.now))
        #expect(driver.failures.count == 2)
        driver.pass(.seconds(9))
        driver.tick()
        #expect(driver.dials.isEmpty)
        #expect(driver.pool.description.isEmpty)
    }

    @Test func withoutBackoffTheNextDialStartsAtOnce() throws {
        let driver = driver { $0.dialBackoff = nil }
        for _ in 0..<3 { #expect(driver.wait(Routes.secure()) != nil) }
        // The first alone had come when its dial began; the second dial began for both others.
        for failed in [1, 3] {
            driver.fail(try #require(driver.dials.first))
            #expect(driver.failures.count == failed)
        }
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1)
    }
}
