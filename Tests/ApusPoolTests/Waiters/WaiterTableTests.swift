import ApusCore
import Testing

@testable import ApusPool

@Suite struct WaiterTableTests {
    @Test func aCallerIsFoundByItsIDUntilItLeaves() {
        var table = WaiterTable()
        let place = table.add(.pooled, isPatient: true, route: 3)
        let id = table.id(place)
        #expect(table.find(id) == place)
        #expect(table[place].route == 3)
        #expect(table[place].isPatient)
        #expect(table[place].dial == nil)
        table.remove(place)
        #expect(table.find(id) == nil)
        #expect(table.count == 0)
    }

    @Test func aPlaceThatIsUsedAgainHasAnotherID() {
        var table = WaiterTable()
        let first = table.add(.pooled, isPatient: false, route: 0)
        let firstID = table.id(first)
        table.match(first, with: 5)
        table.remove(first)
        let second = table.add(.fresh, isPatient: false, route: 1)
        #expect(second == first, "the place is used again")
        #expect(table.id(second) != firstID)
        #expect(table.find(firstID) == nil)
        #expect(table[second].dial == nil)
        #expect(table[second].arrival == 2)
    }

    @Test func allAreThoseThatWait() {
        var table = WaiterTable()
        let places = (0..<4).map { _ in table.add(.pooled, isPatient: false, route: 0) }
        table.remove(places[1])
        #expect(table.all == [places[0], places[2], places[3]])
        #expect(table.count == 3)
        #expect(table.arrivals == 4)
    }
}
