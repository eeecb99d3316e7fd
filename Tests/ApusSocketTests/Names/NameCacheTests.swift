import ApusCore
import ApusSocket
import Testing

/// Names that are known, and those that are being asked for, on a clock of the tests' own.
@Suite(.timeLimit(.minutes(5))) struct NameCacheTests {
    /// One scope's lookups reveal nothing to another, not even by the time of the answer.
    @Test func noScopeFindsWhatAnotherLeft() {
        var cache = NameCache(.init())
        let (one, other) = (IsolationScope("one"), IsolationScope("other"))
        let answer = NameCache.Answer.failure(.notFound(message: "no"))
        #expect(cache.ask(for: "a.test", in: one, waiter: 1, now: .now()) == .waits)
        // A lookup under way serves all: each has asked, and each keeps it.
        #expect(cache.ask(for: "a.test", in: nil, waiter: 2, now: .now()) == .waits)
        #expect(cache.nextName() == "a.test")
        #expect(cache.nextName() == nil)
        #expect(cache.answered("a.test", answer, now: .now()).waiters == [1, 2])
        #expect(cache.ask(for: "a.test", in: one, waiter: 3, now: .now()) == .known(answer))
        #expect(cache.ask(for: "a.test", in: nil, waiter: 4, now: .now()) == .known(answer))
        #expect(cache.ask(for: "a.test", in: other, waiter: 5, now: .now()) == .waits)
        cache.forget("a.test")
        #expect(cache.knownCount == 0)
    }

    private let one = SocketAddress(literal: "10.0.0.1", port: 0)

    @Test func everybodyWhoAsksMeanwhileSharesOneLookup() {
        var cache = NameCache(.init())
        #expect(cache.ask(for: "a", waiter: 1, now: at(0)) == .waits)
        #expect(cache.ask(for: "a", waiter: 2, now: at(1)) == .waits)
        #expect(cache.nextName() == "a")
        #expect(cache.ask(for: "a", waiter: 3, now: at(2)) == .waits)
        #expect(cache.nextName() == nil)
        #expect(cache.answered("a", found, now: at(3)).waiters == [1, 2, 3])
        #expect(cache.ask(for: "a", waiter: 4, now: at(4)) == .known(found))
    }

    @Test func namesAreLookedUpInTheOrderOfAsking() {
        var cache = NameCache(.init())
        for (index, name) in ["c", "a", "b", "a"].enumerated() {
            #expect(cache.ask(for: name, waiter: UInt64(index), now: at(0)) == .waits)
        }
        #expect([cache.nextName(), cache.nextName(), cache.nextName()] == ["c", "a", "b"])
        #expect(!cache.hasQueuedNames)
    }

    @Test func addressesAreKeptForTheirTimeAndNoLonger() {
        var cache = NameCache(.init())
        look(up: "a", in: &cache, found, now: at(0))
        #expect(cache.ask(for: "a", waiter: 1, now: at(4999)) == .known(found))
        #expect(cache.ask(for: "a", waiter: 1, now: at(5000)) == .waits)
        #expect(cache.nextName() == "a")
    }

    @Test func thatANameDoesNotExistIsKeptForAShorterTime() {
        var cache = NameCache(.init())
        let answer = NameCache.Answer.failure(.notFound(message: "no"))
        look(up: "a", in: &cache, answer, now: at(0))
        #expect(cache.ask(for: "a", waiter: 1, now: at(999)) == .known(answer))
        #expect(cache.ask(for: "a", waiter: 1, now: at(1000)) == .waits)
    }

    @Test(arguments: [
        ResolveError.temporary(message: "later"), .overloaded, .cancelled,
    ])
    func whatMayBeDifferentNextTimeIsNotKept(_ error: ResolveError) {
        var cache = NameCache(.init())
        look(up: "a", in: &cache, .failure(error), now: at(0))
        #expect(cache.ask(for: "a", waiter: 1, now: at(0)) == .waits)
    }

    @Test func nothingIsKeptWhenThatIsOff() {
        var tuning = EngineTuning.Dial()
        tuning.cacheTime = nil
        tuning.negativeCacheTime = nil
        var cache = NameCache(tuning)
        look(up: "a", in: &cache, found, now: at(0))
        look(up: "b", in: &cache, .failure(.notFound(message: "no")), now: at(0))
        #expect(cache.knownCount == 0)
        #expect(cache.ask(for: "a", waiter: 1, now: at(0)) == .waits)
    }

    @Test func aLookupThatHasNotBegunGoesWithItsLastWaiter() {
        var cache = NameCache(.init())
        _ = cache.ask(for: "a", waiter: 1, now: at(0))
        _ = cache.ask(for: "a", waiter: 2, now: at(0))
        _ = cache.ask(for: "b", waiter: 3, now: at(0))
        cache.cancel(1, for: "a")
        cache.cancel(2, for: "a")
        cache.cancel(9, for: "missing")
        #expect(cache.nextName() == "b")
        #expect(cache.nextName() == nil)
    }

    @Test func aLookupThatHasBegunServesTheNextCaller() {
        var cache = NameCache(.init())
        _ = cache.ask(for: "a", waiter: 1, now: at(0))
        #expect(cache.nextName() == "a")
        cache.cancel(1, for: "a")
        #expect(cache.ask(for: "a", waiter: 2, now: at(0)) == .waits)
        #expect(cache.nextName() == nil)
        #expect(cache.answered("a", found, now: at(1)).waiters == [2])
    }

    @Test func aLateAnswerWithoutAWaiterIsCached() {
        var cache = NameCache(.init())
        _ = cache.ask(for: "a", waiter: 1, now: at(0))
        _ = cache.nextName()
        cache.cancel(1, for: "a")
        #expect(cache.answered("a", found, now: at(9000)).waiters == [])
        #expect(cache.ask(for: "a", waiter: 2, now: at(9000)) == .known(found))
    }

    @Test func aNameWhoseAddressesFailedIsLookedUpAgain() {
        var cache = NameCache(.init())
        look(up: "a", in: &cache, found, now: at(0))
        look(up: "b", in: &cache, found, now: at(0))
        cache.forget("a")
        cache.forget("missing")
        #expect(cache.ask(for: "a", waiter: 1, now: at(1)) == .waits)
        #expect(cache.ask(for: "b", waiter: 2, now: at(1)) == .known(found))
    }

    @Test func onlySoManyLookupsWait() {
        var tuning = EngineTuning.Dial()
        tuning.maxPendingLookups = 2
        var cache = NameCache(tuning)
        #expect(cache.ask(for: "a", waiter: 1, now: at(0)) == .waits)
        #expect(cache.ask(for: "b", waiter: 2, now: at(0)) == .waits)
        #expect(cache.ask(for: "c", waiter: 3, now: at(0)) == .refused)
        // Joining one that waits already makes none.
        #expect(cache.ask(for: "a", waiter: 4, now: at(0)) == .waits)
        _ = cache.nextName()
        #expect(cache.ask(for: "c", waiter: 3, now: at(0)) == .waits)
    }

    @Test func onlySoManyNamesAreKept() {
        var tuning = EngineTuning.Dial()
        tuning.maxCachedNames = 3
        var cache = NameCache(tuning)
        for index in 0..<10 { look(up: "n\(index)", in: &cache, found, now: at(index)) }
        #expect(cache.knownCount == 3)
        #expect(cache.ask(for: "n7", waiter: 1, now: at(10)) == .known(found))
        #expect(cache.ask(for: "n6", waiter: 1, now: at(10)) == .waits)
        cache.cancel(1, for: "n6")
        // Those past their time go first, all at once.
        look(up: "late", in: &cache, found, now: at(60_000))
        #expect(cache.knownCount == 1)
    }

    // MARK: Answers beyond their time

    private let outage = NameCache.Answer.failure(.temporary(message: "later"))

    /// Looks a name up for a waiter, whose answer is returned.
    private func ask(
        _ cache: inout NameCache, in scope: IsolationScope? = nil, _ answer: NameCache.Answer,
        now: Deadline
    ) -> (answer: NameCache.Answer?, staleAge: Duration?) {
        switch cache.ask(for: "a", in: scope, waiter: 9, now: now) {
        case .known(let known): return (known, nil)
        case .refused: return (nil, nil)
        case .waits: break
        }
        #expect(cache.nextName() == "a")
        let answered = cache.answered("a", answer, now: now)
        return (answered.deliveries.first?.answer, answered.staleAge)
    }

    @Test("F3: the last addresses serve while the lookup fails for the moment, and no longer")
    func theLastAddressesServeWhileTheLookupFails() {
        var cache = NameCache(.init())
        look(up: "a", in: &cache, found, now: at(0))
        for time in [5000, 60_000, 304_998] {
            let result = ask(&cache, outage, now: at(time))
            #expect(result.answer == found && result.staleAge == .milliseconds(time))
            // The next caller of this moment costs no lookup.
            #expect(ask(&cache, outage, now: at(time + 1)).staleAge == nil)
        }
        #expect(ask(&cache, outage, now: at(306_000)).answer == outage)
        #expect(ask(&cache, found, now: at(306_001)).answer == found)
    }

    @Test func onlyATemporaryFailureIsReplaced() {
        let missing = NameCache.Answer.failure(.notFound(message: "no"))
        var cache = NameCache(.init())
        look(up: "a", in: &cache, found, now: at(0))
        #expect(ask(&cache, missing, now: at(5000)).answer == missing)
        // The name is gone: what was known of it is too.
        #expect(ask(&cache, outage, now: at(7000)).answer == outage)
        // That a name does not exist serves no longer than its own time.
        cache = NameCache(.init())
        look(up: "a", in: &cache, missing, now: at(0))
        #expect(ask(&cache, outage, now: at(5000)).answer == outage)
    }

    @Test func noScopeIsServedWhatAnotherHad() {
        var cache = NameCache(.init())
        look(up: "a", in: &cache, found, now: at(0))
        #expect(ask(&cache, in: IsolationScope("other"), outage, now: at(5000)).answer == outage)
        #expect(ask(&cache, outage, now: at(5000)).answer == found)
    }

    @Test func addressesThatFailedServeNoLonger() {
        var cache = NameCache(.init())
        look(up: "a", in: &cache, found, now: at(0))
        cache.forget("a")
        #expect(ask(&cache, outage, now: at(5000)).answer == outage)
    }

    @Test func nothingServesBeyondItsTimeWhereThatIsOff() {
        var tuning = EngineTuning.Dial()
        tuning.staleCacheTime = nil
        var cache = NameCache(tuning)
        look(up: "a", in: &cache, found, now: at(0))
        #expect(ask(&cache, outage, now: at(5000)).answer == outage)
    }

    private var found: NameCache.Answer { .success(one.map { [$0] } ?? []) }

    private func look(
        up name: String, in cache: inout NameCache, _ answer: NameCache.Answer, now: Deadline
    ) {
        _ = cache.ask(for: name, waiter: 0, now: now)
        #expect(cache.nextName() == name)
        #expect(cache.answered(name, answer, now: now).waiters == [0])
    }

    private func at(_ milliseconds: Int) -> Deadline {
        Deadline(nanoseconds: Int64(milliseconds) * 1_000_000)
    }
}

extension NameCache.Answered {
    fileprivate var waiters: [NameCache.WaiterID] { deliveries.map(\.waiter) }
}
