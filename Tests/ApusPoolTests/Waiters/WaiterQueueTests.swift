import ApusCore
import Testing

@testable import ApusPool

@Suite struct WaiterQueueTests {
    /// A queue and the table that holds its callers.
    private struct Line {
        var queue = WaiterQueue()
        var table = WaiterTable()

        mutating func append(_ reuse: Reuse = .pooled) -> Int {
            let waiter = table.add(reuse, isPatient: false, route: 0)
            queue.append(waiter, in: &table)
            return waiter
        }

        mutating func remove(_ waiter: Int) -> Int? { queue.remove(waiter, from: &table) }
        mutating func match(_ waiter: Int, _ dial: Int) {
            queue.match(waiter, with: dial, in: &table)
        }
        mutating func unmatch(_ waiter: Int) -> Int? { queue.unmatch(waiter, in: &table) }

        func callers(_ list: KeyPath<WaiterQueue, IndexList>) -> [Int] {
            var found: [Int] = []
            var next = queue[keyPath: list].head
            while let waiter = next {
                found.append(waiter)
                next = table.links.next(waiter)
            }
            return found
        }
    }

    @Test func callersAreKeptInOrderOfArrivalByKind() {
        var line = Line()
        let first = line.append()
        let second = line.append(.fresh)
        let third = line.append(.oneShot)
        let fourth = line.append()
        #expect(line.callers(\.pooled) == [first, fourth])
        #expect(line.callers(\.own) == [second, third])
        #expect(line.queue.count == 4)
        #expect(line.queue.undialled == 4)
        #expect(line.queue.firstUndialled == first)
        #expect(line.table[first].arrival < line.table[second].arrival)
    }

    @Test func aDialGoesToTheFirstPooledCallerWithoutOne() {
        var line = Line()
        let callers = (0..<3).map { _ in line.append() }
        line.match(callers[0], 7)
        #expect(line.queue.firstUndialled == callers[1])
        #expect(line.queue.undialled == 2)
        #expect(line.queue.pooledWithDial == 1)
        #expect(line.table[callers[0]].dial == 7)
        line.match(callers[1], 8)
        line.match(callers[2], 9)
        #expect(line.queue.firstUndialled == nil)
        #expect(line.queue.undialled == 0)
        // A caller who comes later is the first without a dial again.
        let late = line.append()
        #expect(line.queue.firstUndialled == late)
    }

    @Test func aCallerWithADialOfItsOwnLeavesTheListOfThoseWithout() {
        var line = Line()
        let own = line.append(.oneShot)
        let pooled = line.append()
        line.match(own, 7)
        #expect(line.callers(\.own) == [])
        #expect(line.queue.count == 2)
        #expect(line.queue.firstUndialled == pooled)
        #expect(line.queue.pooledWithDial == 0)
        let dial = line.remove(own)
        #expect(dial == 7)
        #expect(line.queue.count == 1)
    }

    @Test func removingReturnsTheDialThatLostItsWaiter() {
        var line = Line()
        let callers = (0..<3).map { _ in line.append() }
        line.match(callers[0], 7)
        let first = [line.remove(callers[0]), line.remove(callers[1])]
        #expect(first == [7, nil])
        #expect(line.queue.firstUndialled == callers[2])
        let last = line.remove(callers[2])
        #expect(last == nil)
        #expect(line.queue.firstUndialled == nil)
        #expect(line.queue.count == 0)
        #expect(line.queue.undialled == 0)
        #expect(line.table.count == 0)
    }

    @Test func aLostDialIsReplacedByThatOfTheYoungestWithOne() {
        var line = Line()
        let callers = (0..<4).map { _ in line.append() }
        for (index, caller) in callers.prefix(3).enumerated() { line.match(caller, 7 + index) }
        let given = line.unmatch(callers[0])
        #expect(given == 9)
        #expect(line.table[callers[0]].dial == 9)
        #expect(line.table[callers[2]].dial == nil)
        #expect(line.queue.firstUndialled == callers[2])
        #expect(line.queue.undialled == 2)
    }

    @Test func theYoungestWithADialLosesItsOwn() {
        var line = Line()
        let callers = (0..<2).map { _ in line.append() }
        for (index, caller) in callers.enumerated() { line.match(caller, 7 + index) }
        let given = line.unmatch(callers[1])
        #expect(given == nil)
        #expect(line.queue.firstUndialled == callers[1])
        #expect(line.table[callers[0]].dial == 7)
    }

    /// Whatever happens, the pooled callers with a dial come before those without, and every dial
    /// is matched with one caller.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func aRandomWalkKeepsTheInvariants(_ seed: UInt64) throws {
        var random = WalkRandom(state: seed)
        var line = Line()
        var own: Set<Int> = []
        var dials: [Int: Int] = [:]
        for step in 0..<5000 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1: _ = line.append()
            case 2: own.insert(line.append(.fresh))
            case 3:
                let waiter = line.queue.firstUndialled ?? line.queue.own.head
                if let waiter {
                    line.match(waiter, step)
                    dials[step] = waiter
                }
            case 4:
                let owners = dials.filter { !own.contains($0.value) }.sorted { $0.key < $1.key }
                guard let (dial, waiter) = owners.randomElement(using: &random) else { continue }
                dials[dial] = nil
                if let given = line.unmatch(waiter) { dials[given] = waiter }
            default:
                let all = line.table.all
                guard let waiter = all.randomElement(using: &random) else { continue }
                let dial = line.remove(waiter)
                own.remove(waiter)
                if let dial {
                    let owner = dials.removeValue(forKey: dial)
                    try #require(owner == waiter)
                }
            }
            let pooled = line.callers(\.pooled)
            let withDial = pooled.prefix { line.table[$0].dial != nil }
            try #require(pooled.dropFirst(withDial.count).allSatisfy { line.table[$0].dial == nil })
            try #require(line.queue.firstUndialled == pooled.dropFirst(withDial.count).first)
            try #require(line.queue.pooledWithDial == withDial.count)
            try #require(line.queue.count == line.table.count)
            try #require(dials.allSatisfy { line.table[$0.value].dial == $0.key })
            try #require(line.queue.count - line.queue.undialled == dials.count)
        }
    }
}
