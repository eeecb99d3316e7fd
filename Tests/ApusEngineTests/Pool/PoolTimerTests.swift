import ApusCore
@testable import ApusEngine
import ApusSocket
import LoopFixtures
import Testing

/// The one timer of a pool.
///
/// Every instant here is over, or too far away to come.
@Suite(.timeLimit(.minutes(5))) struct PoolTimerTests {
    @Test func aTimerThatIsSetAnewHasOneInstant() async throws {
        try await withLoop { loop in
            let timer = PoolTimer(on: loop)
            for _ in 0..<3 {
                timer.set({ farAway }, {})
                #expect(await loop.run { loop.timerCount } == 1)
            }
            timer.set({ nil }, {})
            #expect(await loop.run { loop.timerCount } == 0)
        }
    }

    @Test func theActionIsCalledAtItsInstantAndMaySetTheTimerAnew() async throws {
        try await withLoop { loop in
            let timer = PoolTimer(on: loop)
            let done = FirstAnswer<Bool>()
            timer.set({ .now() }) {
                timer.set({ .now() }) { done.give(loop.isCurrent) }
            }
            #expect(await done.wait())
            #expect(await loop.run { loop.timerCount } == 0)
        }
    }

    @Test func onlyTheLastActionIsCalled() async throws {
        try await withLoop { loop in
            let timer = PoolTimer(on: loop)
            let done = FirstAnswer<String>()
            await loop.run {
                timer.set({ .now() }) { done.give("first") }
                timer.set({ .now() }) { done.give("second") }
            }
            #expect(await done.wait() == "second")
        }
    }
}
