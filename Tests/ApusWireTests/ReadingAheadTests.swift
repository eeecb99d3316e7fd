@testable import ApusWire
import Testing

/// When a wire reads on while its owner does not.
@Suite struct ReadingAheadTests {
    @Test func oneReadIsPlannedAtATime() {
        var ahead = ReadingAhead()
        let plans = [ahead.plan(), ahead.plan()]
        #expect(plans == [true, false])
        let reads = ahead.turnHasCome()
        #expect(reads)
        let again = ahead.plan()
        #expect(again)
    }

    @Test func aReadOfTheOwnersTakesThePlaceOfThePlannedOne() {
        var ahead = ReadingAhead()
        ahead.ownerReadsOn()
        let isPlanned = ahead.plan()
        ahead.ownerReadsOn()
        let reads = ahead.turnHasCome()
        #expect(isPlanned)
        #expect(!reads)
        let again = [ahead.plan(), ahead.turnHasCome()]
        #expect(again == [true, true])
    }

    @Test func aReadThatFindsTheSocketsEndIsTheLast() {
        var ahead = ReadingAhead()
        ahead.began()
        #expect(ahead.isReading)
        ahead.finished(atEnd: false)
        #expect(!ahead.isReading)
        ahead.began()
        ahead.finished(atEnd: true)
        let isPlanned = ahead.plan()
        #expect(!isPlanned)
        // The owner's own read meets the socket's end.
        #expect(!ahead.isHolding)
    }

    @Test func aFaultIsHeldUntilItIsTaken() {
        var ahead = ReadingAhead()
        ahead.began()
        ahead.failed(.endInHandshake)
        #expect(!ahead.isReading)
        #expect(ahead.isHolding)
        var isPlanned = ahead.plan()
        #expect(!isPlanned)
        guard case .endInHandshake? = ahead.takeFault() else {
            Issue.record("the fault is lost")
            return
        }
        #expect(!ahead.isHolding)
        isPlanned = ahead.plan()
        #expect(isPlanned)
    }

    @Test func anEndIsHeldUntilItIsTaken() {
        var ahead = ReadingAhead()
        ahead.tunnelAdded(hasEnded: false)
        #expect(!ahead.isHolding)
        ahead.tunnelAdded(hasEnded: true)
        #expect(ahead.isHolding)
        let fault = ahead.takeFault()
        #expect(fault == nil)
        #expect(!ahead.isHolding)
    }
}
