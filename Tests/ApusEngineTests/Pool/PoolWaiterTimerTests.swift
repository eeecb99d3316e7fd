import ApusCore
@testable import ApusEngine
import ApusSocket
import LoopFixtures
import Testing

/// The looks at a wait.
///
/// Every instant here is over, or too far away to come.
@Suite(.timeLimit(.minutes(5))) struct PoolWaiterTimerTests {
    /// The looks so far, and what each answers: again at once so many times, then `last`.
    ///
    /// Unchecked, because it is touched on the loop's thread only.
    private final class Looks: @unchecked Sendable {
        var count = 0
        let repeats: Int
        let last: Deadline?
        let done: @Sendable () -> Void

        init(repeats: Int, last: Deadline?, done: @escaping @Sendable () -> Void = {}) {
            self.repeats = repeats
            self.last = last
            self.done = done
        }

        func look() -> Deadline? {
            count += 1
            guard count > repeats else { return .now() }
            done()
            return last
        }
    }

    @Test func itLooksAgainWheneverTheLastLookSays() async throws {
        try await withLoop { loop in
            let done = FirstAnswer<Void>()
            let looks = Looks(repeats: 3, last: nil) { done.give(()) }
            let timer = PoolWaiterTimer(at: .now(), on: loop) { _ in looks.look() }
            await done.wait()
            #expect(await loop.run { looks.count } == 4)
            #expect(await loop.run { loop.timerCount } == 0)
            withExtendedLifetime(timer) {}
        }
    }

    @Test func anExtraLookComesBeforeTheInstant() async throws {
        try await withLoop { loop in
            let looks = Looks(repeats: 0, last: farAway)
            let timer = PoolWaiterTimer(at: farAway, on: loop) { _ in looks.look() }
            #expect(await loop.run { looks.count } == 0)
            timer.look()
            #expect(await loop.run { looks.count } == 1)
            // The look replaced the timer.
            #expect(await loop.run { loop.timerCount } == 1)
            timer.cancel()
            #expect(await loop.run { loop.timerCount } == 0)
        }
    }

    @Test func noLookFollowsTheCancellation() async throws {
        try await withLoop { loop in
            let looks = Looks(repeats: 0, last: nil)
            let timer = PoolWaiterTimer(at: farAway, on: loop) { _ in looks.look() }
            timer.cancel()
            timer.look()
            #expect(await loop.run { looks.count } == 0)
            #expect(await loop.run { loop.timerCount } == 0)
        }
    }
}
