import ApusCore
import ApusSocket
import LoopFixtures
import Testing

/// The queue itself is the loop's own, so it is tested through the loop: everything is planned
/// within one closure and is long due, hence it fires in one go afterwards.
@Suite(.timeLimit(.minutes(5))) struct TimerQueueTests {
    private struct Firing: Sendable {
        let id: Int
        let time: Int64
    }

    @Test(arguments: [1, 2, 3, 10, 100, 3000], 0..<4 as Range<UInt64>)
    func randomAddsAndCancelsFireAsASortedArrayWould(count: Int, seed: UInt64) async throws {
        try await withLoop { loop in
            let recorder = Recorder<Firing>()
            let start = Deadline.now().advanced(by: .seconds(-10))
            let kept = LoopBound<[Int: Int64]>([:])
            await loop.wait { done in
                var random = SplitMix(state: seed &* 77 &+ UInt64(count))
                var timers: [(id: Int, timer: LoopTimer)] = []
                for id in 0..<count {
                    // Few different instants, so that many timers share one.
                    let time = Int64.random(in: 0..<Int64(max(2, count / 2)), using: &random)
                    let timer = loop.schedule(at: start.advanced(by: .nanoseconds(time))) {
                        recorder.record(Firing(id: id, time: time))
                    }
                    timers.append((id, timer))
                    kept.value[id] = time
                    guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
                    timers.swapAt(
                        timers.indices.randomElement(using: &random) ?? 0, timers.count - 1)
                    let victim = timers.removeLast()
                    loop.cancel(victim.timer)
                    kept.value[victim.id] = nil
                }
                _ = loop.schedule(at: start.advanced(by: .seconds(1)), done)
            }
            let fired = recorder.values
            #expect(fired.map(\.time) == kept.value.values.sorted())
            #expect(Set(fired.map(\.id)) == Set(kept.value.keys))
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func cancelsAmongTheFiringsAreHeeded(seed: UInt64) async throws {
        try await withLoop { loop in
            let recorder = Recorder<Int>()
            let expected = LoopBound<[Int]>([])
            let start = Deadline.now().advanced(by: .seconds(-10))
            await loop.wait { done in
                var random = SplitMix(state: seed)
                let order = Array(0..<200).shuffled(using: &random)
                let victims = (0..<200).map { _ in Int.random(in: 0..<200, using: &random) }
                let timers = LoopBound<[Int: LoopTimer]>([:])
                for time in order {
                    timers.value[time] = loop.schedule(
                        at: start.advanced(by: .nanoseconds(time))
                    ) {
                        recorder.record(time)
                        if let victim = timers.value[victims[time]] { loop.cancel(victim) }
                    }
                }
                var cancelled: Set<Int> = []
                for time in 0..<200 where !cancelled.contains(time) {
                    expected.value.append(time)
                    cancelled.insert(victims[time])
                }
                _ = loop.schedule(at: start.advanced(by: .seconds(1)), done)
            }
            #expect(recorder.values == expected.value)
        }
    }
}

/// A small generator with a seed, so that a failure can be repeated.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
