import ApusHTTP2
import Testing

/// A table of streams beside a dictionary that holds the same.
@Suite struct StreamTableTests {
    /// A random source that gives the same numbers in each run.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 31
        }
    }

    /// Streams are opened in order and end in any; or their numbers share their places.
    @Test(arguments: [1, 2, 64, 1024] as [Int32])
    func itHoldsWhatADictionaryHolds(step: Int32) {
        var random = Seeded(state: UInt64(step))
        var table = StreamTable<Int32>()
        var model: [Int32: Int32] = [:]
        var next: Int32 = 1
        for _ in 0..<20_000 {
            if model.count < 100, Bool.random(using: &random) {
                table.insert(-next, for: next)
                model[next] = -next
                next += 2 * step
            } else if let id = model.keys.sorted().randomElement(using: &random) {
                #expect(table.remove(id) == model.removeValue(forKey: id))
                #expect(table.remove(id) == nil)
            }
            let asked = Int32.random(in: 1...(next + 1), using: &random)
            #expect(table[asked] == model[asked])
            #expect(table.contains(asked) == (model[asked] != nil))
            #expect(table.count == model.count)
        }
        #expect(table.values.sorted() == model.values.sorted())
        for id in model.keys { #expect(table[id] == -id) }
    }

    @Test func anEmptyTableHasNothing() {
        var table = StreamTable<String>()
        #expect(table.isEmpty)
        #expect(table[1] == nil)
        #expect(table.remove(1) == nil)
        #expect(Array(table.values).isEmpty)
        table.insert("first", for: 1)
        #expect(!table.isEmpty)
        #expect(table.remove(1) == "first")
        #expect(table.isEmpty)
    }

    /// What is taken out is released at once, and what moves meanwhile is not.
    @Test func aStreamThatIsTakenOutIsReleased() {
        final class Item {}
        var table = StreamTable<Item>()
        var items = (0..<50).map { _ in Item() }
        for (index, item) in items.enumerated() { table.insert(item, for: Int32(index * 8 + 1)) }
        weak let first = items[0]
        weak let last = items[49]
        items = []
        _ = table.remove(1)
        #expect(first == nil)
        #expect(last != nil)
        for index in 1..<50 { table.remove(Int32(index * 8 + 1)) }
        #expect(last == nil)
    }
}
