/// A doubly linked list of slot numbers: the ends and the count; the links are in `IndexLinks`.
struct IndexList: Sendable {
    fileprivate(set) var first = IndexLinks.none
    fileprivate(set) var last = IndexLinks.none
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    /// The first slot; `nil` when the list is empty.
    var head: Int? { first == IndexLinks.none ? nil : first }
    /// The last slot; `nil` when the list is empty.
    var tail: Int? { last == IndexLinks.none ? nil : last }

    fileprivate mutating func counted(_ change: Int) { count += change }
}

/// The links of every slot for one family of lists, so that any slot leaves its list in O(1).
///
/// Invariant: a slot is in at most one list of the family; the caller knows which.
struct IndexLinks: Sendable {
    /// Means "no slot".
    static let none = -1

    private struct Link {
        var previous = IndexLinks.none
        var next = IndexLinks.none
    }

    private var links: [Link] = []
    private(set) var meter = WorkMeter()

    /// Makes room for one more slot.
    mutating func grow() { links.append(Link()) }

    /// The slot after `index`; `nil` at the end.
    func next(_ index: Int) -> Int? {
        links[index].next == IndexLinks.none ? nil : links[index].next
    }

    /// The slot before `index`; `nil` at the beginning.
    func previous(_ index: Int) -> Int? {
        links[index].previous == IndexLinks.none ? nil : links[index].previous
    }

    mutating func pushFront(_ index: Int, on list: inout IndexList) {
        meter.add()
        links[index] = Link(next: list.first)
        if list.isEmpty { list.last = index } else { links[list.first].previous = index }
        list.first = index
        list.counted(1)
    }

    mutating func pushBack(_ index: Int, on list: inout IndexList) {
        meter.add()
        links[index] = Link(previous: list.last)
        if list.isEmpty { list.first = index } else { links[list.last].next = index }
        list.last = index
        list.counted(1)
    }

    mutating func remove(_ index: Int, from list: inout IndexList) {
        meter.add()
        let link = links[index]
        if link.previous == IndexLinks.none {
            list.first = link.next
        } else {
            links[link.previous].next = link.next
        }
        if link.next == IndexLinks.none {
            list.last = link.previous
        } else {
            links[link.next].previous = link.previous
        }
        list.counted(-1)
    }
}
