import Testing

@testable import ApusPool

@Suite struct IndexListTests {
    private static func contents(_ list: IndexList, _ links: IndexLinks) -> [Int] {
        var found: [Int] = []
        var next = list.head
        while let index = next {
            found.append(index)
            next = links.next(index)
        }
        return found
    }

    @Test func bothEndsGrowAndAnySlotLeaves() {
        var (list, links) = (IndexList(), IndexLinks())
        for _ in 0..<5 { links.grow() }
        #expect(list.isEmpty && list.head == nil && list.tail == nil)
        links.pushBack(1, on: &list)
        links.pushBack(2, on: &list)
        links.pushFront(0, on: &list)
        links.pushBack(4, on: &list)
        #expect(Self.contents(list, links) == [0, 1, 2, 4])
        #expect(list.head == 0 && list.tail == 4 && list.count == 4)
        #expect(links.previous(2) == 1 && links.previous(0) == nil)
        links.remove(1, from: &list)
        #expect(Self.contents(list, links) == [0, 2, 4])
        links.remove(0, from: &list)
        links.remove(4, from: &list)
        #expect(list.head == 2 && list.tail == 2)
        links.remove(2, from: &list)
        #expect(list.isEmpty && list.head == nil && list.tail == nil)
    }

    @Test func twoListsShareTheirLinks() {
        var (first, second, links) = (IndexList(), IndexList(), IndexLinks())
        for _ in 0..<4 { links.grow() }
        links.pushBack(0, on: &first)
        links.pushBack(1, on: &second)
        links.pushBack(2, on: &first)
        links.remove(0, from: &first)
        links.pushBack(0, on: &second)
        #expect(Self.contents(first, links) == [2])
        #expect(Self.contents(second, links) == [1, 0])
    }
}
