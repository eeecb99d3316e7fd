import ApusCore
import Testing

@testable import ApusPool

/// The second dial beside one that several callers share.
@Suite struct DialHedgeTests {
    private func driver(_ change: (inout EngineTuning.Pool) -> Void = { _ in }) -> PoolDriver {
        PoolDriver { tuning in
            tuning.hedgeDelay = .milliseconds(300)
            change(&tuning)
        }
    }

    @Test func itIsDueOnceOneDialHasKeptSeveralWaitingForTheDelay() {
        var hedge = DialHedge()
        hedge.dialStarted(1000)
        #expect(hedge.dueAt(delay: 300, sharedDials: 1, waiting: 2) == 1300)
        #expect(hedge.dueAt(delay: 300, sharedDials: 1, waiting: 1) == nil)
        #expect(hedge.dueAt(delay: 300, sharedDials: 2, waiting: 9) == nil)
        #expect(hedge.dueAt(delay: 300, sharedDials: 0, waiting: 9) == nil)
        #expect(hedge.dueAt(delay: Int64.never, sharedDials: 1, waiting: 9) == nil)
        hedge.dialStarted(1300)
        #expect(hedge.dueAt(delay: 300, sharedDials: 1, waiting: 2) == 1600)
    }

    @Test func aDialThatHangsIsJoinedByOneMoreAndByNoThird() throws {
        let driver = driver()
        for _ in 0..<8 { _ = driver.wait(Routes.secure()) }
        #expect(driver.pool.nextDeadline == driver.now.advanced(by: .milliseconds(300)))
        driver.pass(.milliseconds(299))
        driver.tick()
        #expect(driver.dials.count == 1)
        driver.pass(.milliseconds(1))
        driver.tick()
        #expect(driver.dials.count == 2)
        driver.pass(.seconds(3))
        driver.tick()
        #expect(driver.dials.count == 2)
        driver.establish(driver.dials[1], capacity: 100)
        #expect(driver.grants.count == 8)
    }

    @Test func theSecondDialFeedsThePoolWhenTheFirstWins() {
        let driver = driver()
        for _ in 0..<2 { _ = driver.wait(Routes.secure()) }
        driver.pass(.milliseconds(300))
        driver.tick()
        driver.establish(driver.dials[0], capacity: 100)
        #expect(driver.grants.count == 2)
        driver.establish(driver.dials[0], capacity: 100)
        #expect(driver.pool.counts.idle == 1)
        #expect(driver.closes.isEmpty)
    }

    /// The dial has budgets of its own, and holds up no other caller.
    @Test func oneCallerAloneHasOneDial() {
        let driver = driver()
        _ = driver.wait(Routes.secure())
        #expect(driver.pool.nextDeadline == nil)
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.dials.count == 1)
        // A caller that comes now has not waited, but the dial is late.
        _ = driver.wait(Routes.secure())
        #expect(driver.dials.count == 2)
    }

    @Test func noSecondDialStartsWhereEachCallerHasItsOwn() {
        let driver = driver()
        for _ in 0..<3 { _ = driver.wait(Routes.plain()) }
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.dials.count == 3)
    }

    @Test(
        arguments: [
            { $0.maxDialsPerHost = 1 }, { $0.maxConnectionsPerHost = 1 }, { $0.hedgeDelay = nil },
        ] as [@Sendable (inout EngineTuning.Pool) -> Void])
    func theLimitsHoldForItToo(_ change: @Sendable (inout EngineTuning.Pool) -> Void) {
        let driver = driver(change)
        for _ in 0..<8 { _ = driver.wait(Routes.secure()) }
        driver.pass(.seconds(1))
        driver.tick()
        #expect(driver.dials.count == 1)
        #expect(driver.pool.nextDeadline == nil)
    }

    @Test func aFailedDialFailsNoWaiterWhileAnotherDialGoesOn() throws {
        let driver = driver()
        let waiters = try (0..<4).map { _ in try #require(driver.wait(Routes.secure())) }
        driver.pass(.milliseconds(300))
        driver.tick()
        driver.fail(driver.dials[0])
        #expect(driver.failures.isEmpty)
        driver.establish(driver.dials[0], capacity: 100)
        #expect(driver.grants.map(\.waiter) == waiters)
    }

    @Test func theLastDialToFailFailsAllWhoSharedIt() throws {
        let driver = driver()
        let waiters = try (0..<4).map { _ in try #require(driver.wait(Routes.secure())) }
        driver.pass(.milliseconds(300))
        driver.tick()
        let last = driver.dials[1]
        driver.fail(driver.dials[0])
        driver.fail(last)
        #expect(Set(driver.failures.map(\.waiter)) == Set(waiters))
        #expect(driver.failures.allSatisfy { $0.cause == .dialFailed(last) })
    }

    @Test func aDialThatHungIsNoFailureOfARouteThatAnotherHasReached() throws {
        let driver = driver { $0.dialBackoff = .seconds(1) }
        for _ in 0..<2 { _ = driver.wait(Routes.secure()) }
        driver.pass(.milliseconds(300))
        driver.tick()
        let hung = driver.dials[0]
        driver.pass(.milliseconds(1))
        let good = driver.dials[1]
        driver.establish(good, capacity: 100)
        driver.pass(.seconds(5))
        driver.fail(hung)
        driver.closed(good)
        #expect(driver.wait(Routes.secure()) != nil)
        #expect(driver.dials.count == 1, "at once")
        #expect(driver.failures.isEmpty)
    }

    /// What was left of a dial that hangs must not hold up those who come later.
    @Test func aDialThatStillHangsIsJoinedAgainForThoseWhoComeLater() throws {
        let driver = driver()
        for _ in 0..<2 { _ = driver.wait(Routes.secure()) }
        driver.pass(.milliseconds(300))
        driver.tick()
        let good = driver.dials[1]
        driver.establish(good, capacity: 100)
        driver.closed(good)
        driver.pass(.milliseconds(100))
        for _ in 0..<2 { _ = driver.wait(Routes.secure()) }
        #expect(driver.dials.count == 1, "the one that hangs")
        driver.pass(.milliseconds(200))
        driver.tick()
        #expect(driver.dials.count == 2)
    }
}
