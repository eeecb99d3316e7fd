import ApusCore
import ApusSocket
import Glibc
import LoopFixtures
import Testing

/// An actor that lives on a loop.
private actor Resident {
    let loop: EventLoop
    private(set) var visits = 0

    init(on loop: EventLoop) {
        self.loop = loop
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    func visit() -> Bool {
        visits += 1
        return loop.isCurrent
    }
}

/// Closures, actors and tasks run on their loop, all of them and in order.
@Suite(.timeLimit(.minutes(5))) struct EventLoopTests {
    // MARK: Order

    @Test func closuresFromOneForeignThreadRunInOrder() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            for index in 0..<1000 { loop.execute { recorder.record(index) } }
            #expect(await loop.run { recorder.values } == Array(0..<1000))
        }
    }

    @Test func closuresFromTheLoopItselfRunInOrderAfterTheOneThatAdds() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            await loop.wait { done in
                for index in 1...100 { loop.execute { recorder.record(index) } }
                loop.execute(done)
                recorder.record(0)
            }
            #expect(recorder.values == Array(0...100))
        }
    }

    @Test func workOfItsOwnAndOfOthersIsAllRun() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            await loop.wait { done in
                // More than one tick's share, each adding to the next.
                @Sendable func step(_ index: Int) {
                    recorder.record(index)
                    guard index < 20_000 else { return done() }
                    loop.execute { step(index + 1) }
                }
                step(0)
            }
            #expect(recorder.values == Array(0...20_000))
        }
    }

    @Test func workThatAddsToItselfLeavesTimersTheirTurn() async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            await loop.wait { done in
                let isOver = LoopBound(false)
                @Sendable func step(_ index: Int) {
                    recorder.record(index)
                    // Work without end would hang a loop that runs it all first.
                    guard !isOver.value, index < 1_000_000 else { return done() }
                    loop.execute { step(index + 1) }
                }
                _ = loop.schedule(at: .now()) { isOver.value = true }
                step(0)
            }
            // The timer is due: it fires after the first tick.
            #expect(recorder.values == [0, 1])
        }
    }

    @Test func workThatTakesLongLeavesTimersTheirTurn() async throws {
        try await withLoop { loop in
            let recorder = Recorder<String>()
            await loop.wait { done in
                // All of it is one tick's work.
                loop.execute {
                    _ = loop.schedule(at: .now()) { recorder.record("timer") }
                }
                for index in 0..<100 {
                    loop.execute {
                        usleep(1000)
                        recorder.record("work")
                        if index == 99 { done() }
                    }
                }
            }
            let values = recorder.values
            #expect(values.count == 101)
            #expect(values.last == "work")
            #expect(values.first == "work")
        }
    }

    @Test func tenThousandClosuresFromEightThreadsAllRunEachThreadsInOrder() async throws {
        try await withLoop { loop in
            let recorder = Recorder<(thread: Int, index: Int)>()
            try onThreads(8) { thread in
                for index in 0..<1250 { loop.execute { recorder.record((thread, index)) } }
            }
            _ = await loop.run {}
            let values = recorder.values
            #expect(values.count == 10_000)
            for thread in 0..<8 {
                #expect(values.filter { $0.thread == thread }.map(\.index) == Array(0..<1250))
            }
        }
    }

    @Test func theScratchKeepsNoMoreThanItsBound() async throws {
        try await withLoop { loop in
            let long = [UInt8](repeating: 7, count: 4 * LoopScratch.maxKept)
            let kept = await loop.run {
                loop.scratch.plaintext += long
                loop.scratch.plaintext.removeAll(keepingCapacity: true)
                loop.scratch.ciphertext += long
                loop.scratch.ciphertext.removeAll(keepingCapacity: true)
                loop.scratch.outgoing.append(copying: long.span.bytes)
                loop.scratch.outgoing.removeAll()
                return loop.scratch.plaintext.capacity
            }
            #expect(kept >= long.count)
            let left = await loop.run {
                [
                    loop.scratch.plaintext.capacity, loop.scratch.ciphertext.capacity,
                    loop.scratch.outgoing.capacity,
                ]
            }
            #expect(left.allSatisfy { $0 <= LoopScratch.maxKept })
        }
    }

    // MARK: Identity

    @Test func onlyTheLoopsOwnThreadIsCurrent() async throws {
        try await withLoop { first in
            try await withLoop { second in
                #expect(!first.isCurrent)
                #expect(await first.run { first.isCurrent && !second.isCurrent })
                #expect(await second.run { second.isCurrent && !first.isCurrent })
                #expect(await first.run { first.isIsolatingCurrentContext() } == true)
                #expect(await first.run { second.isIsolatingCurrentContext() } == false)
            }
        }
    }

    @Test func theThreadBearsTheLoopsName() async throws {
        let name = uniqueThreadName()
        try await withLoop(name: name) { loop in
            _ = await loop.run {}
            #expect(threadNames().filter { $0 == name }.count == 1)
        }
    }

    // MARK: Actors and tasks

    @Test func anActorOnTheLoopRunsThere() async throws {
        try await withLoop { loop in
            let resident = Resident(on: loop)
            for _ in 0..<100 { #expect(await resident.visit()) }
            #expect(await resident.visits == 100)
        }
    }

    @Test func aClosureOnTheLoopMayEnterAnActorThatLivesThere() async throws {
        try await withLoop { loop in
            let resident = Resident(on: loop)
            let visited = await loop.run { resident.assumeIsolated { $0.visit() } }
            #expect(visited)
            #expect(await resident.visits == 1)
        }
    }

    @Test func manyTasksVisitingOneActorLoseNoVisit() async throws {
        try await withLoop { loop in
            let resident = Resident(on: loop)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask { for _ in 0..<20 { _ = await resident.visit() } }
                }
            }
            #expect(await resident.visits == 1000)
        }
    }

    @Test func aTaskThatPrefersTheLoopStaysThere() async throws {
        try await withLoop { loop in
            let resident = Resident(on: loop)
            let places = await Task(executorPreference: loop) {
                var places = [loop.isCurrent]
                await Task.yield()
                places.append(loop.isCurrent)
                places.append(await resident.visit())
                places.append(loop.isCurrent)
                async let child = loop.isCurrent
                places.append(await child)
                return places
            }.value
            #expect(places == [true, true, true, true, true])
        }
    }

    @Test func aTaskMovesBetweenTwoLoopsAndBack() async throws {
        try await withLoop { first in
            try await withLoop { second in
                let (one, two) = (Resident(on: first), Resident(on: second))
                await Task(executorPreference: first) {
                    for _ in 0..<200 {
                        #expect(await two.visit())
                        #expect(first.isCurrent)
                        #expect(await one.visit())
                    }
                }.value
                #expect(await one.visits == 200)
                #expect(await two.visits == 200)
            }
        }
    }
}
