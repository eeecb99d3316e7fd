import Testing

@testable import ApusPool

@Suite struct DeadlineHeapTests {
    @Test func slotsComeOutInTheOrderOfTheirDeadlines() {
        var heap = DeadlineHeap()
        for _ in 0..<5 { heap.grow() }
        for (slot, deadline) in [50, 10, 40, 20, 30].enumerated() {
            heap.schedule(slot, by: Int64(deadline))
        }
        #expect(heap.first == 10)
        let early = heap.popDue(9)
        #expect(early == nil)
        var order: [Int] = []
        while let slot = heap.popDue(45) { order.append(slot) }
        #expect(order == [1, 3, 4, 2])
        #expect(heap.count == 1)
    }

    @Test func anEntryIsMovedEarlierAndNeverLater() {
        var heap = DeadlineHeap()
        heap.grow()
        heap.schedule(0, by: 20)
        heap.schedule(0, by: 30)
        #expect(heap.first == 20)
        heap.schedule(0, by: 10)
        #expect(heap.first == 10)
        #expect(heap.count == 1)
    }

    @Test func aSlotThatIsRemovedDoesNotComeOut() {
        var heap = DeadlineHeap()
        for _ in 0..<3 { heap.grow() }
        for slot in 0..<3 { heap.schedule(slot, by: Int64(slot)) }
        heap.remove(0)
        heap.remove(0)
        let due = [heap.popDue(5), heap.popDue(5), heap.popDue(5)]
        #expect(due == [1, 2, nil])
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func aRandomWalkAgreesWithASortedList(_ seed: UInt64) throws {
        var random = WalkRandom(state: seed)
        var heap = DeadlineHeap()
        var model: [Int: Int64] = [:]
        for _ in 0..<40 { heap.grow() }
        for _ in 0..<5000 {
            let slot = Int.random(in: 0..<40, using: &random)
            let time = Int64.random(in: 0..<1000, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                heap.schedule(slot, by: time)
                model[slot] = min(model[slot] ?? .max, time)
            case 2:
                heap.remove(slot)
                model[slot] = nil
            default:
                let first = model.values.min()
                let popped = heap.popDue(time)
                try #require((popped != nil) == (first.map { $0 <= time } ?? false))
                if let popped {
                    try #require(model[popped] == first)
                    model[popped] = nil
                }
            }
            try #require(heap.first == model.values.min())
            try #require(heap.count == model.count)
        }
    }
}
