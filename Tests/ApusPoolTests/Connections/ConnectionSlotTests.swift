import ApusCore
import Testing

@testable import ApusPool

@Suite struct ConnectionSlotTests {
    private static func dial(_ purpose: ConnectionSlot.Dial.Purpose) -> ConnectionSlot {
        .dialling(.init(number: 7, route: 2, began: 10, lastArrival: 0, purpose: purpose))
    }

    private static func open(
        capacity: Int, _ sharing: ConnectionSlot.Open.Sharing = .multiplexed, owner: Int? = nil
    ) -> ConnectionSlot {
        .open(
            .init(number: 7, route: 2, capacity: capacity, sharing: sharing, owner: owner, loop: 0))
    }

    @Test func aVacantSlotHoldsNothing() {
        let slot = ConnectionSlot.vacant
        #expect(!slot.holds(0))
        #expect(slot.waiter == nil)
        #expect(slot.exchanges == 0)
        #expect(!slot.isOpen && !slot.hasRoom && !slot.mayExpire)
    }

    @Test func identityIsKnownFromTheDialToTheEnd() {
        var slot = Self.open(capacity: 1)
        #expect(Self.dial(.shared(waiter: nil)).holds(7))
        #expect(slot.holds(7))
        slot.drain(.goAway)
        #expect(slot.holds(7) && !slot.holds(8))
        #expect(slot.number == 7 && slot.route == 2)
    }

    @Test func aDialIsUnwantedWhenNoWaiterDependsOnIt() {
        #expect(Self.dial(.shared(waiter: nil)).isUnwantedDial)
        #expect(!Self.dial(.shared(waiter: 1)).isUnwantedDial)
        #expect(!Self.dial(.own(waiter: 1)).isUnwantedDial)
        #expect(!Self.open(capacity: 1).isUnwantedDial)
    }

    @Test func anOwnDialServesAnyWaiterAfterItsOwnHasLeft() {
        var slot = Self.dial(.own(waiter: 4))
        #expect(slot.waiter == 4)
        #expect(slot.dial?.owner == 4)
        let wasOwn = slot.waiterLeft()
        #expect(wasOwn)
        #expect(slot.waiter == nil)
        #expect(slot.isUnwantedDial)
        var shared = Self.dial(.shared(waiter: 4))
        let wasSharedOwn = shared.waiterLeft()
        #expect(!wasSharedOwn)
        #expect(shared.isUnwantedDial)
        var connection = Self.open(capacity: 0, owner: 4)
        #expect(connection.waiter == 4)
        let wasDial = connection.waiterLeft()
        #expect(!wasDial)
        #expect(connection.waiter == nil)
    }

    @Test func roomIsWhatTheCapacityLeaves() {
        var slot = Self.open(capacity: 2)
        #expect(slot.hasRoom)
        let carried = [slot.exchangeBegan(), slot.exchangeBegan()]
        #expect(carried == [1, 2])
        #expect(!slot.hasRoom)
        slot.exchangeEnded()
        #expect(slot.hasRoom)
        #expect(slot.exchanges == 1)
        // The peer allows fewer than there are.
        slot.update { $0.capacity = 0 }
        #expect(!slot.hasRoom)
    }

    @Test func aSuspectTakesNothingAndIsNotCounted() {
        var slot = Self.open(capacity: 2, .unreported)
        #expect(slot.isUsableMultiplexed && slot.isAwaited)
        slot.update { $0.isSuspect = true }
        #expect(!slot.hasRoom && !slot.isUsableMultiplexed && !slot.isAwaited)
        #expect(slot.isOpen)
    }

    @Test func aDrainingConnectionKeepsItsExchangesAndTakesNoMore() {
        var slot = Self.open(capacity: 5)
        _ = slot.exchangeBegan()
        slot.drain(.goAway)
        #expect(!slot.hasRoom && !slot.isOpen && !slot.isUsableMultiplexed)
        #expect(slot.exchanges == 1)
        slot.exchangeEnded()
        #expect(slot.exchanges == 0)
        guard case .draining(_, .goAway) = slot else { return #expect(Bool(false), "\(slot)") }
    }

    @Test func aConnectionBelongsToTheListOfItsRoom() {
        var slot = Self.open(capacity: 2)
        #expect(slot.newListing == .idle)
        slot.update { $0.listing = .idle }
        #expect(slot.newListing == nil)
        #expect(slot.mayExpire)
        _ = slot.exchangeBegan()
        #expect(slot.newListing == .shared)
        slot.update { $0.listing = .shared }
        _ = slot.exchangeBegan()
        #expect(slot.newListing == ConnectionSlot.Open.Listing.none)
        slot.exchangeEnded()
        slot.drain(.lifetime)
        #expect(slot.newListing == ConnectionSlot.Open.Listing.none)
    }
}
