import ApusCore
@testable import ApusEngine
import ApusSocket
import LoopFixtures
import Testing

/// The loops that engines share.
@Suite(.timeLimit(.minutes(5))) struct LoopGroupTests {
    @Test func eachLoopRunsOnAThreadOfItsOwn() async throws {
        let group = try LoopGroup(threads: 2)
        #expect(group.loops.count == 2)
        for loop in group.loops {
            let current = await loop.run { [loops = group.loops] in loops.map(\.isCurrent) }
            #expect(current == group.loops.map { $0 === loop })
        }
    }

    @Test(arguments: [0, -1])
    func aNumberOutOfRangeNamesItsField(_ threads: Int) {
        let error = #expect(throws: InvalidTuning.self) { try LoopGroup(threads: threads) }
        #expect(error?.field == "eventLoops")
    }

    @Test(arguments: [Duration.zero, .milliseconds(11)])
    func aWakeIntervalOutOfRangeNamesItsField(_ interval: Duration) {
        let error = #expect(throws: InvalidTuning.self) {
            try LoopGroup(threads: 1, wakeInterval: interval)
        }
        #expect(error?.field == "wakeInterval")
    }
}
