import ApusCore
import ApusSocket
import Glibc
import LoopFixtures
import Testing

/// Counts its visits on a loop that may have ended.
private actor Late {
    let loop: EventLoop
    private var visits = 0

    init(on loop: EventLoop) {
        self.loop = loop
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    func visit() -> Int {
        visits += 1
        return loop.isCurrent ? visits : -1
    }
}

/// Loops end with their threads gone, and work that comes later still runs.
@Suite(.timeLimit(.minutes(5))) struct EventLoopEndingTests {
    @Test func stoppingEndsTheThread() async throws {
        let name = uniqueThreadName()
        let loop = try EventLoop(name: name)
        _ = await loop.run {}
        #expect(threadNames().contains(name))
        await EventLoop.stopAndJoin([loop])
        // The kernel's entry goes a moment after the join.
        #expect(comesTrue { !threadNames().contains(name) })
    }

    @Test func stoppingAndDetachingEndsTheThreadToo() async throws {
        let name = uniqueThreadName()
        let loop = try EventLoop(name: name)
        _ = await loop.run {}
        loop.stopAndDetach()
        #expect(comesTrue { !threadNames().contains(name) })
    }

    @Test func severalLoopsEndTogether() async throws {
        let loops = try (0..<8).map { _ in try EventLoop(name: "apus-test") }
        await EventLoop.stopAndJoin(loops)
        await EventLoop.stopAndJoin([])
    }

    @Test func aLoopMayBeEndedFromItself() async throws {
        let name = uniqueThreadName()
        let loop = try EventLoop(name: name)
        await Task(executorPreference: loop) {
            #expect(loop.isCurrent)
            await EventLoop.stopAndJoin([loop])
            #expect(loop.isCurrent)
        }.value
        #expect(comesTrue { !threadNames().contains(name) })
    }

    @Test func stoppingTwiceIsStoppingOnce() async throws {
        let loop = try EventLoop(name: "apus-test")
        loop.stop()
        loop.stop()
        await EventLoop.stopAndJoin([loop])
    }

    @Test func workQueuedBeforeTheStopIsDoneBeforeTheEnd() async throws {
        let loop = try EventLoop(name: "apus-test")
        let recorder = Recorder<Int>()
        for index in 0..<1000 { loop.execute { recorder.record(index) } }
        await EventLoop.stopAndJoin([loop])
        #expect(recorder.values == Array(0..<1000))
    }

    @Test func theLoopLetsGoOfItselfOnceEnded() async throws {
        weak var ended: EventLoop?
        do {
            let loop = try EventLoop(name: "apus-test")
            ended = loop
            await EventLoop.stopAndJoin([loop])
        }
        #expect(comesTrue { ended == nil })
    }

    // MARK: After the end

    @Test func closuresAfterTheEndStillRunInOrder() async throws {
        let loop = try await endedLoop()
        let recorder = Recorder<Int>()
        for index in 0..<500 {
            loop.execute {
                #expect(loop.isCurrent)
                recorder.record(index)
            }
        }
        _ = await loop.run {}
        #expect(recorder.values == Array(0..<500))
    }

    @Test func anActorAndATaskOutliveTheLoop() async throws {
        let loop = try await endedLoop()
        let late = Late(on: loop)
        for visit in 1...20 { #expect(await late.visit() == visit) }
        let wasCurrent = await Task(executorPreference: loop) {
            await Task.yield()
            return loop.isCurrent
        }.value
        #expect(wasCurrent)
        #expect(!loop.isCurrent)
    }

    @Test func lateWorkFromEightThreadsAllRunsOneAtATime() async throws {
        let loop = try await endedLoop()
        // Not guarded: the loop must see to it that no two closures run at once.
        let count = LoopBound(0)
        try onThreads(8) { _ in
            for _ in 0..<250 { loop.execute { count.value += 1 } }
        }
        #expect(await loop.run { count.value } == 2000)
    }

    @Test func workThatRacesTheStopIsNeverLost() async throws {
        for _ in 0..<20 {
            let loop = try EventLoop(name: "apus-test")
            let count = LoopBound(0)
            try onThreads(4) { thread in
                for index in 0..<50 {
                    loop.execute { count.value += 1 }
                    if thread == 0, index == 25 { loop.stop() }
                }
            }
            #expect(await loop.run { count.value } == 200)
            await EventLoop.stopAndJoin([loop])
        }
    }

    private func endedLoop() async throws -> EventLoop {
        let loop = try EventLoop(name: "apus-test")
        await EventLoop.stopAndJoin([loop])
        return loop
    }
}
