import ApusCore
import ApusSocket
import LoopFixtures
import Testing

/// A wait on a loop ends by a signal, its deadline or its task's cancellation.
@Suite(.timeLimit(.minutes(5))) struct LoopSuspensionTests {
    @Test func aSignalEndsTheWait() async throws {
        try await withLoop { loop in
            let suspension = LoopSuspension(on: loop)
            let task = Task(executorPreference: loop) { await suspension.wait(until: nil) }
            loop.execute { suspension.signal() }
            guard case .signalled = await task.value else {
                Issue.record("the wait did not end by the signal")
                return
            }
        }
    }

    @Test func aSignalBeforeTheWaitEndsTheNextOne() async throws {
        try await withLoop { loop in
            let suspension = LoopSuspension(on: loop)
            await loop.run { suspension.signal() }
            let task = Task(executorPreference: loop) { await suspension.wait(until: nil) }
            guard case .signalled = await task.value else {
                Issue.record("the wait did not end by the signal before it")
                return
            }
        }
    }

    @Test func theDeadlineEndsTheWait() async throws {
        try await withLoop { loop in
            let suspension = LoopSuspension(on: loop)
            let task = Task(executorPreference: loop) { await suspension.wait(until: .now()) }
            guard case .deadlineReached = await task.value else {
                Issue.record("the wait did not end at its deadline")
                return
            }
        }
    }

    @Test func cancellationEndsThisWaitAndEveryOther() async throws {
        try await withLoop { loop in
            let suspension = LoopSuspension(on: loop)
            let task = Task(executorPreference: loop) {
                let first = await suspension.wait(until: nil)
                return [first, await suspension.wait(until: nil)]
            }
            task.cancel()
            for wakeUp in await task.value {
                guard case .cancelled = wakeUp else {
                    Issue.record("a wait did not end by the cancellation")
                    return
                }
            }
        }
    }
}
